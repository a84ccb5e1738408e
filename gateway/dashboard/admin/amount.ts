// What the gateway takes as an amount of dollars (protocol/auth.ts, Usd), so that a wrong one is told before anything is asked.

/** null: it can be sent; otherwise what is wrong with it */
export function amountError(amount: string): string | null {
  if (!/^\d{1,6}(\.\d{1,9})?$/.test(amount)) return 'Dollars, such as 12.50, with at most nine places.'
  return /[1-9]/.test(amount) ? null : 'More than nothing.'
}
