// One sentence for whatever went wrong.
import { WalletRefused } from '../session/wallet-refused.ts'
import { ApiError } from './api.ts'

export function messageOf(error: unknown): string {
  if (error instanceof ApiError)
    return error.requestId === null ? error.message : `${error.message} (request ${error.requestId})`
  if (error instanceof WalletRefused) return error.message
  return 'Something went wrong in this page. Reload it and try again.'
}
