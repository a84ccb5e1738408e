// Dollars in words, from the decimal string that the gateway sent: every digit kept to the nano, and none that says nothing. Never a float.

/** `"1.5"` -> `$1.50`; smaller amounts keep the digits that say something: `$0.000123456`. */
export function usd(amount: string): string {
  const [, sign = '', whole = '0', fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(amount) ?? []
  const kept = fraction.replace(/0+$/, '').padEnd(2, '0')
  return `${sign}$${whole.replace(/\B(?=(\d{3})+$)/g, ',')}.${kept}`
}
