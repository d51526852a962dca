"""200 ways to smuggle a script into a page through a member's words: twenty vectors in ten contexts."""

from __future__ import annotations

RUN = "window.__ran=1"
VECTORS = [
    f"<script>{RUN}</script>",
    f"<img src=x onerror={RUN}>",
    f"<svg onload={RUN}>",
    f"<svg><script>{RUN}</script></svg>",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
    f"<a href='javascript:{RUN}'>x</a>",
    f"<details open ontoggle={RUN}>x</details>",
    f"<input autofocus onfocus={RUN}>",
    f"<video><source onerror={RUN}></video>",
    f"<form action='javascript:{RUN}'><button autofocus>x</button></form>",
    f"<meta http-equiv=refresh content='0;url=javascript:{RUN}'>",
    "<base href='//elsewhere.example/'>",
    "<link rel=stylesheet href='//elsewhere.example/x.css'>",
    f"<div x-data x-init='{RUN}'>x</div>",
    f"<div hx-get='/admin/logout/' hx-trigger=load hx-on::load='{RUN}'>x</div>",
    f"<math><mtext><mglyph><style><!--</style><img src=x onerror={RUN}>",
    f" onmouseover={RUN} style=position:fixed;inset:0 x=",
    f"javascript:{RUN}//",
    f"{{{{constructor.constructor('{RUN}')()}}}}{{% debug %}}${{{RUN}}}",
    f"\u2028{RUN}\u2028//\\u003cscript\\u003e{RUN}\\u003c/script\\u003e",
]
CONTEXTS = ["", "'", '"', "'>", '">', "</title>", "</textarea>", "</script>", "-->", "`"]
PAYLOADS = [f"{context}{vector}" for vector in VECTORS for context in CONTEXTS]
