"""The HTTP interface: the one room that imports ``aiohttp.web``."""
