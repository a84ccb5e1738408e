// Byte-level vocabularies, as GPT-2's and most since: every token stands for exactly known bytes, often not whole characters.

/**
 * Token -> its bytes; special tokens stand for none.
 * @param added tokens beside the vocabulary, written as they are read
 */
export function byteTable(
  vocabulary: ReadonlyMap<string, number>,
  added: readonly { readonly id: number; readonly content: string }[],
  specials: ReadonlySet<number>,
): Map<number, Uint8Array> {
  const byteOf = alphabet()
  const table = new Map<number, Uint8Array>()
  for (const [text, id] of vocabulary)
    table.set(
      id,
      Uint8Array.from(text, (char) => byteOf.get(char) ?? 0x3f),
    )
  for (const { id, content } of added) table.set(id, new TextEncoder().encode(content))
  for (const id of specials) table.delete(id)
  return table
}

/** Whether every byte that UTF-8 has is a token of its own. */
export function hasEveryByte(table: ReadonlyMap<number, Uint8Array>): boolean {
  const alone = new Set([...table.values()].filter(({ length }) => length === 1).map(([byte]) => byte))
  return Array.from({ length: 0xf5 }, (_, byte) => byte).every(
    (byte) => byte === 0xc0 || byte === 0xc1 || alone.has(byte),
  )
}

/** GPT-2's alphabet: printable Latin-1 stands for itself, the other bytes for U+0100 and on. @example 'Ġ' is a space */
function alphabet(): Map<string, number> {
  const bytes = new Map<string, number>()
  let next = 256
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
    bytes.set(String.fromCodePoint(printable ? byte : next++), byte)
  }
  return bytes
}
