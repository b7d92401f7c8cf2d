/* What Debian's zlib takes from glibc and musl does not have. Linked with that zlib under its name, so that the
 * extension modules of the musl builds, which expect Alpine's, find one. */
#include <stdarg.h>
#include <stddef.h>

int vsnprintf(char *to, size_t room, const char *format, va_list arguments);

int __vsnprintf_chk(char *to, size_t room, int flag, size_t size, const char *format, va_list arguments)
{
    (void)flag, (void)size;
    return vsnprintf(to, room, format, arguments);
}

int __snprintf_chk(char *to, size_t room, int flag, size_t size, const char *format, ...)
{
    va_list arguments;
    (void)flag, (void)size;
    va_start(arguments, format);
    int length = vsnprintf(to, room, format, arguments);
    va_end(arguments);
    return length;
}
