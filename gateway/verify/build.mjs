// `npm run build:verify`: bundles souk-verify into one file that runs on Node.js 18 and later with nothing beside it.
// `node gateway/verify/build.mjs OUT` writes it elsewhere.
import { build } from 'esbuild'
import { fileURLToPath } from 'node:url'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

await build({
  entryPoints: [here('cli.ts')],
  outfile: process.argv[2] ?? here('../../dist/souk-verify.mjs'),
  bundle: true,
  platform: 'node',
  target: 'node18',
  format: 'esm',
  legalComments: 'inline',
  // Node.js 18 keeps Web Crypto in a module; jose looks for it where browsers have it.
  banner: {
    js: "#!/usr/bin/env node\nimport { webcrypto as soukWebCrypto } from 'node:crypto'\nglobalThis.crypto ??= soukWebCrypto",
  },
})
