// Long names, short enough to read; the whole one belongs into a title or a copy button beside it.

/** `0x1234…abcd` */
export const shortAddress = (address: string): string =>
  address.length <= 14 ? address : `${address.slice(0, 6)}…${address.slice(-4)}`
