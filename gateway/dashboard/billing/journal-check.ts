// The check of an exported journal in the browser: the same code that `souk-verify` runs, over a file that is read in pieces and twice, so that a
// long journal needs little memory and the page stays alive.
import type { Jwks } from '../../../protocol/journal-export.ts'
import { JournalForesight } from '../../../protocol/journal-foresight.ts'
import { verifyJournal, type Verified } from '../../../protocol/journal-verify.ts'

/** bytes of one piece: some hundred lines */
const PIECE_BYTES = 256 * 1024
const LINE_END = 0x0a
/** bytes of one line: longer ones are no journal */
const LINE_BYTES_MAX = 4 * 1024 * 1024

/** @param tell hears how much is done, 0…1; @throws an AbortError when `signal` was used */
export async function checkJournal(
  file: Blob,
  jwks: Jwks,
  tell: (done: number) => void = () => undefined,
  signal: AbortSignal | null = null,
): Promise<Verified> {
  const foresight = new JournalForesight()
  // The first look is quick; the second is the check.
  for await (const texts of pieces(file, (part) => tell(part * LOOK_SHARE), signal))
    for (const text of texts) foresight.look(text)
  const checked = pieces(file, (part) => tell(LOOK_SHARE + part * (1 - LOOK_SHARE)), signal)
  return verifyJournal(checked, { jwks: [jwks], foresight })
}

const LOOK_SHARE = 0.1

/** Lines with their ends. Between two pieces the page may draw. */
async function* pieces(
  file: Blob,
  tell: (part: number) => void,
  signal: AbortSignal | null,
): AsyncGenerator<string[], void> {
  let rest = new Uint8Array()
  for (let at = 0; at < file.size; at += PIECE_BYTES) {
    signal?.throwIfAborted()
    const read = new Uint8Array(await file.slice(at, at + PIECE_BYTES).arrayBuffer())
    const bytes = new Uint8Array(rest.length + read.length)
    bytes.set(rest)
    bytes.set(read, rest.length)
    const texts: string[] = []
    let start = 0
    for (let end = bytes.indexOf(LINE_END); end !== -1; end = bytes.indexOf(LINE_END, start)) {
      texts.push(decode(bytes.subarray(start, end + 1)))
      start = end + 1
    }
    rest = bytes.slice(start)
    if (rest.length > LINE_BYTES_MAX) return yield ['\ufffd']
    if (texts.length > 0) yield texts
    tell(Math.min(1, (at + PIECE_BYTES) / file.size))
    await new Promise((resolve) => setTimeout(resolve, 0))
  }
  if (rest.length > 0) yield [decode(rest)]
}

/** What is no UTF-8 becomes a text that no line is: it is then broken where it stands. */
function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return '\ufffd'
  }
}
