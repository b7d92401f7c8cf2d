//! What is in memory, who holds it, and where every byte of RSS went.
