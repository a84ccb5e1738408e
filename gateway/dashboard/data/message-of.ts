// One sentence for whatever went wrong.
import { WalletRefused } from '../session/wallet-refused.ts'
import { ApiError } from './api.ts'

/** With the request's name, by which the gateway's log has it. */
export function messageOf(error: unknown): string {
  const isNamed = error instanceof ApiError && error.requestId !== null
  return isNamed ? `${wordsOf(error)} (request ${error.requestId})` : wordsOf(error)
}

/** The sentence alone: the same for the same fault, however often it happens. */
export function wordsOf(error: unknown): string {
  if (error instanceof ApiError || error instanceof WalletRefused) return error.message
  return 'Something went wrong in this page. Reload it and try again.'
}
