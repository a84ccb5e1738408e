// The dashboard's files on a machine of one's own: a service that the Worker asks as it asks Cloudflare's assets. Miniflare's own stand-in puts a router in
// front of the Worker, which resets kept connections whenever a request's body was not read to its end (a refusal, a POST without need of one).
import { readFile } from 'node:fs/promises'
import { extname, join, normalize } from 'node:path'
import { Response, type Request } from 'miniflare'
import { errno } from './expected.ts'

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
}
/** what `static/_headers` says of files that are named after their contents */
const FOR_EVER = 'public, max-age=31536000, immutable'

/** @param directory of the built files; nothing outside of it is ever read */
export function staticFiles(directory: string): (request: Request) => Promise<Response> {
  return async (request) => {
    const path = normalize(decodeURIComponent(new URL(request.url).pathname))
    const type = TYPES[extname(path)]
    if (type === undefined || path.includes('\0')) return new Response(null, { status: 404 })
    try {
      const bytes = await readFile(join(directory, path))
      const cache = path.startsWith('/assets/')
        ? { 'cache-control': FOR_EVER, 'x-content-type-options': 'nosniff' }
        : {}
      return new Response(request.method === 'HEAD' ? null : bytes, { headers: { 'content-type': type, ...cache } })
    } catch (cause) {
      if (errno(cause) === 'ENOENT' || errno(cause) === 'EISDIR') return new Response(null, { status: 404 })
      throw cause
    }
  }
}
