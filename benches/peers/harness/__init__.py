"""Measures this server beside other FTP servers and the floors under both, and writes docs/performance.md."""
