// What the address of the billing page says: which part is open, and which statement.
export const PARTS = ['balance', 'statements', 'journal', 'withdrawals'] as const
export type Part = (typeof PARTS)[number]

export interface BillingSearch {
  readonly part?: Part
  /** number of the statement that is open */
  readonly statement?: number
}

export function readSearch(search: Record<string, unknown>): BillingSearch {
  const part = PARTS.find((each) => each === search.part)
  const number = Number(search.statement)
  return { ...(part && { part }), ...(Number.isInteger(number) && number > 0 && { statement: number }) }
}
