// Bytes that no honest node sends: nonsense, floods, heads that come by drops. Floods are written as fast as the reader takes them, and end when it leaves.
import type { ServerResponse } from 'node:http'
import { createGzip } from 'node:zlib'

const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`

/** By name, so that a test says what it is and a failure names it. */
export const GARBAGE = {
  json: 'data: {"choices": [{{\n\n',
  html: '<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>\n\n',
  'html event': 'data: <!doctype html><title>502 Bad Gateway</title>\n\n',
  'invalid UTF-8': Buffer.from([
    ...Buffer.from('data: {"choices":[{"index":0,"delta":{"content":'),
    0xff,
    0xfe,
    0x0a,
    0x0a,
  ]),
  nul: 'data: \0\n\n',
  bom: '\uFEFFdata: \uFEFF{}\n\n',
  'deep nesting': `data: ${nested(100_000)}\n\n`,
  'another shape': 'data: {"choices":"all of them"}\n\n',
  'an error event': 'data: {"error":{"message":"out of memory","code":500}}\n\n',
  'a choice nobody asked for': 'data: {"choices":[{"index":7,"delta":{"content":"n9 "},"finish_reason":null}]}\n\n',
} as const
export type Garbage = keyof typeof GARBAGE

export type Flood = 'one line' | 'gzip' | 'headers'

const PART = Buffer.alloc(64 * 1024, 0x78)
const GIGABYTE = 1024 ** 3
/** bytes of a gzip bomb before it is unpacked are a thousandth of these */
const BOMB_BYTES = 256 * 1024 ** 2

export async function flood(response: ServerResponse, of: Flood): Promise<void> {
  switch (of) {
    case 'headers':
      // More than any client takes, in heads of 64 kB.
      for (let n = 0; n < 64; n++) response.setHeader(`x-flood-${n}`, 'x'.repeat(64 * 1024))
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end()
      return
    case 'one line':
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: ')
      return pour(response, response, GIGABYTE)
    case 'gzip': {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' })
      const gzip = createGzip({ level: 1 })
      gzip.pipe(response)
      return pour(gzip, response, BOMB_BYTES)
    }
    default:
      throw new Error(of satisfies never)
  }
}

async function pour(into: NodeJS.WritableStream, response: ServerResponse, bytes: number): Promise<void> {
  const closed = new Promise<void>((resolve) => response.once('close', resolve))
  for (let sent = 0; sent < bytes && !response.destroyed; sent += PART.length) {
    if (!into.write(PART)) await Promise.race([closed, drained(into)])
  }
  into.end()
}

const drained = (into: NodeJS.WritableStream) => new Promise<void>((resolve) => into.once('drain', resolve))

/** A head that is correct and endlessly slow. */
export function slowHead(response: ServerResponse, byteMs: number): void {
  const { socket } = response
  const head = `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-slow: ${'x'.repeat(10_000)}`
  let at = 0
  const timer = setInterval(() => {
    if (!socket || socket.destroyed || at === head.length) return clearInterval(timer)
    socket.write(head.charAt(at++))
  }, byteMs)
}
