// How answers are kept: fresh for a few seconds, asked for again when the page comes back into view, and never while it is hidden.
import { QueryClient } from '@tanstack/react-query'
import { ApiError } from './api.ts'

/** between two looks at what changes by itself */
export const REFRESH_MS = 5_000
/** ms an answer counts as new: moving between pages asks nobody twice */
const FRESH_MS = 3_000
const RETRIES_MAX = 2

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: FRESH_MS,
      refetchIntervalInBackground: false,
      // What was refused will be refused again; what broke may mend.
      retry: (count, error) => count < RETRIES_MAX && !(error instanceof ApiError && error.status < 500),
    },
    mutations: { retry: false },
  },
})
