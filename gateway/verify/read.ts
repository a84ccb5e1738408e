// A file as the verifier reads it: lines with their ends, in pieces, decoded strictly. Memory holds one piece.
import { createReadStream } from 'node:fs'
import { CannotRead } from './cannot-read.ts'

/** bytes of one piece: some hundred lines, whose signatures are checked side by side */
const PIECE_BYTES = 256 * 1024
/** bytes of one line: a page's worth of proofs is a few thousand */
const LINE_BYTES_MAX = 4 * 1024 * 1024
const LINE_END = 0x0a
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** @param path `-` for standard input @throws CannotRead */
export async function* readPieces(path: string): AsyncGenerator<string[], void> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of chunksOf(path)) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    const texts: string[] = []
    let start = 0
    for (let end = bytes.indexOf(LINE_END); end !== -1; end = bytes.indexOf(LINE_END, start)) {
      texts.push(decode(bytes.subarray(start, end + 1)))
      start = end + 1
    }
    rest = bytes.subarray(start)
    if (rest.length > LINE_BYTES_MAX) throw new CannotRead(`a line of ${path} is longer than 4 MiB: it is no journal`)
    if (texts.length > 0) yield texts
  }
  if (rest.length > 0) yield [decode(rest)]
}

async function* chunksOf(path: string): AsyncGenerator<Buffer, void> {
  const stream = path === '-' ? process.stdin : createReadStream(path, { highWaterMark: PIECE_BYTES })
  try {
    for await (const chunk of stream) yield Buffer.from(chunk as Uint8Array) // without an encoding, streams give bytes
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
    throw new CannotRead(`${path} cannot be read (${code})`)
  }
}

/** What is no UTF-8 becomes a text that no line is: it is then broken where it stands. */
function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    return '\ufffd'
  }
}
