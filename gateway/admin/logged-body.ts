// A request's body as the log of admins keeps it: bounded, and without secrets. Codes and keys are answers, which are not kept at all; this is for who
// sends one by mistake.

/** characters kept of a body: a whole one of every admin route fits */
export const LOGGED_CHARS = 4_096
const BYTES_MAX = 64 * 1024
const SECRET_FIELDS = /(secret|password|passphrase|private_?key|mnemonic|token|signature|api_?key|cookie)/i
const REDACTED = '[redacted]'

/** Never throws: what cannot be read is said to be so. */
export async function loggedBody(request: { readonly body: ReadableStream<Uint8Array> | null }): Promise<string> {
  if (request.body === null) return ''
  try {
    const text = await boundedText(request.body)
    return text === null ? `[more than ${BYTES_MAX} bytes]` : withoutSecrets(text)
  } catch {
    return '[not readable]'
  }
}

/** @example withoutSecrets('{"secret":"x","usd":"1"}') // '{"secret":"[redacted]","usd":"1"}' */
export function withoutSecrets(text: string): string {
  const clean = redactWords(withoutFields(text))
  return clean.length > LOGGED_CHARS ? `${clean.slice(0, LOGGED_CHARS)}…` : clean
}

function withoutFields(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text, (name, value: unknown) => (SECRET_FIELDS.test(name) ? REDACTED : value)))
  } catch {
    return text
  }
}

/** Keys, session tokens, tickets and private keys wherever they stand. Addresses, hashes of transactions and ids stay: they say what was done. */
const redactWords = (text: string): string =>
  text
    .replace(/sk-souk-[\w-]+/g, `sk-souk-${REDACTED}`)
    .replace(/\bwhsec_[A-Za-z0-9+/=_-]+/g, `whsec_${REDACTED}`)
    .replace(/\b(bearer)\s+[\w.~+/-]{16,}=*/gi, `$1 ${REDACTED}`)
    .replace(/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, REDACTED)
    .replace(/(?<![\w-])[\w-]{43}(?![\w-])/g, REDACTED)

async function boundedText(body: ReadableStream<Uint8Array>): Promise<string | null> {
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength
    if (size > BYTES_MAX) return null
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}
