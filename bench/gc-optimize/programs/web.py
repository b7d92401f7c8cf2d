"""A FastAPI service with a session store and an audit trail, and the load on it, in one command.

python web.py PORT        serves
python web.py PORT load   asks, until killed
"""

from __future__ import annotations

import asyncio
import sys


def serve(port: int) -> None:
    """Keeps sessions as dictionaries, as web services do."""
    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()
    catalogue = [{"id": n, "name": f"item {n}", "tags": [f"t{n % 7}", f"t{n % 11}"]} for n in range(60_000)]
    sessions: dict[int, dict] = {}

    @app.get("/basket/{user}")
    async def basket(user: int) -> dict:
        """A few items of the catalogue, remembered for the user."""
        items = [dict(catalogue[(user * 31 + n) % len(catalogue)]) for n in range(40)]
        session = {"user": user, "items": items}
        for item in items:
            item["session"] = session
        sessions[user % 2_000] = session
        return {"user": user, "items": [item["name"] for item in items]}

    uvicorn.run(app, port=port, log_level="error", access_log=False)


async def load(port: int) -> None:
    """Eight clients, each a request every few milliseconds."""
    import httpx

    async def client(first: int) -> None:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            user = first
            while True:
                user += 8
                try:
                    await http.get(f"/basket/{user}")
                except httpx.HTTPError:
                    await asyncio.sleep(0.2)
                await asyncio.sleep(0.02)

    await asyncio.gather(*(client(n) for n in range(8)))


if __name__ == "__main__":
    number = int(sys.argv[1])
    if sys.argv[2:] == ["load"]:
        asyncio.run(load(number))
    else:
        serve(number)
