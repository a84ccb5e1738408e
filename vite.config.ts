// Builds the dashboard (gateway/dashboard) into dist/dashboard, which wrangler.toml names as the Worker's static assets. The placeholder nonce is
// exchanged for a fresh one by gateway/dashboard-page.ts whenever the page is sent.
import react from '@vitejs/plugin-react'
import { fileURLToPath } from 'node:url'
import { defineConfig, type Plugin } from 'vite'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

/** The scroll area, which every page has, takes one short function out of a library that places bubbles: all of it would stand in the first load of every page. */
const lighterScrollArea: Plugin = {
  name: 'lighter-scroll-area',
  enforce: 'pre',
  resolveId: (source, importer = '') =>
    source === '@floating-ui/react' && importer.endsWith('/ScrollArea/ScrollArea.mjs')
      ? path('gateway/dashboard/ui/merge-refs.ts')
      : null,
}

export default defineConfig({
  root: path('gateway/dashboard'),
  publicDir: path('gateway/dashboard/static'),
  plugins: [lighterScrollArea, react()],
  html: { cspNonce: '__NONCE__' },
  build: {
    outDir: path('dist/dashboard'),
    emptyOutDir: true,
    target: 'es2022',
    // No inline data: everything is a file of its own, so that the content security policy needs no `data:` for scripts or styles.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: true,
  },
})
