"""The style of the rendered reference: light and dark, on a wide screen and on a phone."""

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #59636e; --line: #d8dee4;
  --paper: #ffffff; --shade: #f4f6f8; --mark: #0b5fb0; --get: #0b6e4f; --post: #0b5fb0;
  --patch: #8a5a00; --delete: #b42318; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #9aa4af; --line: #30363d;
  --paper: #14171a; --shade: #1d2126; --mark: #7ab7ff; --get: #5fd0a5; --post: #7ab7ff;
  --patch: #e0b25c; --delete: #ff8f85; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; color: var(--ink); background: var(--paper); line-height: 1.5;
  font-family: system-ui, sans-serif; font-size: 16px; }
a { color: var(--mark); text-decoration: none; }
a:hover { text-decoration: underline; }
code, pre { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 0.86em; }
code { background: var(--shade); border-radius: 4px; padding: 0.1em 0.3em;
  overflow-wrap: anywhere; }
pre { background: var(--shade); border: 1px solid var(--line); border-radius: 6px;
  padding: 0.7rem 0.9rem; overflow-x: auto; }
td code { overflow-wrap: break-word; }  /* Names whole: a table that is too wide scrolls. */
pre code { background: none; padding: 0; overflow-wrap: normal; }
nav { position: fixed; inset: 0 auto 0 0; width: 18rem; overflow-y: auto; padding: 1.2rem;
  border-right: 1px solid var(--line); background: var(--shade); font-size: 0.9rem; }
nav h2 { font-size: 0.8rem; margin: 1.2rem 0 0.3rem; color: var(--soft); text-transform: uppercase;
  letter-spacing: 0.05em; border: none; padding: 0; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav li { padding: 0.1rem 0; }
main { margin-left: 18rem; padding: 1.5rem 2.5rem 6rem; max-width: 68rem; }
h1 { margin: 0 0 0.5rem; }
h2 { margin: 3rem 0 0.5rem; padding-top: 1rem; border-top: 2px solid var(--line); }
h3 { margin: 2.2rem 0 0.3rem; }
h4 { margin: 1rem 0 0.3rem; font-size: 0.95rem; }
.path { display: block; margin: 0.3rem 0 0.6rem; font-size: 0.95rem; background: none; padding: 0; }
.method { font-weight: 700; }
.get { color: var(--get); } .post { color: var(--post); } .patch { color: var(--patch); }
.delete { color: var(--delete); }
.soft { color: var(--soft); font-size: 0.9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
th, td { text-align: left; vertical-align: top; padding: 0.35rem 0.7rem 0.35rem 0;
  border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; }
details { margin: 0.4rem 0; }
summary { cursor: pointer; color: var(--mark); font-size: 0.9rem; }
@media (max-width: 50rem) { nav { position: static; width: auto; max-height: 40vh;
  border-right: none; border-bottom: 1px solid var(--line); }
  main { margin-left: 0; padding: 1rem 1rem 4rem; } }
"""
