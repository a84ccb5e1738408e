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
/** none of that name, a folder, something below a file, a name too long for any */
const NOT_THERE = new Set(['ENOENT', 'EISDIR', 'ENOTDIR', 'ENAMETOOLONG'])

/** @param directory of the built files; nothing outside of it is ever read */
export function staticFiles(directory: string): (request: Request) => Promise<Response> {
  return async (request) => {
    const path = pathIn(request.url)
    const type = path === null ? undefined : TYPES[extname(path)]
    if (path === null || type === undefined) return new Response(null, { status: 404 })
    try {
      const bytes = await readFile(join(directory, path))
      const cache = path.startsWith('/assets/')
        ? { 'cache-control': FOR_EVER, 'x-content-type-options': 'nosniff' }
        : {}
      return new Response(request.method === 'HEAD' ? null : bytes, { headers: { 'content-type': type, ...cache } })
    } catch (cause) {
      if (NOT_THERE.has(errno(cause) ?? '')) return new Response(null, { status: 404 })
      throw cause
    }
  }
}

/** @returns null for what can be no file's name: a `%` that encodes nothing, bytes that are no UTF-8, a zero byte */
function pathIn(url: string): string | null {
  try {
    const path = normalize(decodeURIComponent(new URL(url).pathname))
    return path.includes('\0') ? null : path
  } catch (cause) {
    if (cause instanceof URIError) return null
    throw cause
  }
}
