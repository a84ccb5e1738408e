// `GET /register`: the page on which an operator's browser wallet signs a node's registration. Everything it shows comes from the part of the link behind
// `#`, which no server ever sees, and is shown as text. Its one script and one style are named by their hashes; nothing else may be loaded or framed.
import { Hono } from 'hono'
import { hexToBytes, sha256Hex } from '../../../protocol/canonical.ts'
import type { AppEnv } from '../../core/principal.ts'
import { REGISTER_SCRIPT } from './register-page-script.ts'

const STYLE = `
:root { color-scheme: light dark; --line: #8886; --soft: #8882; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 46rem; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.05rem; margin: 1.75rem 0 .5rem; }
dl { display: grid; gap: .25rem 1rem; grid-template-columns: max-content 1fr; margin: 0; }
dt { opacity: .75; } dd { margin: 0; overflow-wrap: anywhere; } dd.key { font-family: ui-monospace, monospace; font-size: .875rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .75rem .35rem 0; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
button { background: #1d4ed8; border: 0; border-radius: .5rem; color: #fff; cursor: pointer; font: inherit; margin: .25rem .5rem .25rem 0; padding: .65rem 1.1rem; }
button:disabled { cursor: default; opacity: .5; } button:focus-visible { outline: 3px solid #f59e0b; outline-offset: 2px; }
#status { border-left: 4px solid var(--line); margin: 1rem 0; padding: .5rem .75rem; background: var(--soft); }
#status[data-kind='done'] { border-color: #16a34a; } #status[data-kind='wrong'] { border-color: #dc2626; }
@media (max-width: 34rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .5rem; } }
`

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Register a node – Souk</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>Register a node with your wallet</h1>
<p>Your wallet is asked twice: to sign in, and to authorise the two keys of this node. Neither costs anything or moves money.</p>
<div id="status" role="status" aria-live="polite">Reading the link…</div>
<div id="wallets"></div>
<div id="request" hidden>
<h2>What your wallet authorises</h2>
<dl id="signed"></dl>
<p>Compare the node key with the one in your terminal: whoever holds it serves in your name, and is paid to your account.</p>
<h2>What is registered with it</h2>
<dl id="sent"></dl>
<h2>Offers</h2>
<div class="wide"><table>
<thead><tr><th scope="col">Model</th><th scope="col">Input</th><th scope="col">Cached input</th><th scope="col">Output</th><th scope="col">Tensor bytes</th><th scope="col">Per call</th></tr></thead>
<tbody id="offers"></tbody>
</table></div>
<p>Dollars per million tokens, per million bytes, and per call.</p>
</div>
<noscript>This page needs JavaScript to reach your wallet.</noscript>
</main>
<script>${REGISTER_SCRIPT}</script>
</body>
</html>
`

/** CSP's name for an inline text: base64 of its SHA-256. */
const hashOf = (text: string): string => `'sha256-${btoa(String.fromCharCode(...hexToBytes(sha256Hex(text))))}'`

const POLICY = [
  "default-src 'none'",
  `script-src ${hashOf(REGISTER_SCRIPT)}`,
  `style-src ${hashOf(STYLE)}`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

export const createRegisterPage = () =>
  new Hono<AppEnv>().get('/register', (c) =>
    c.html(PAGE, 200, { 'content-security-policy': POLICY, 'cache-control': 'no-cache' }),
  )
