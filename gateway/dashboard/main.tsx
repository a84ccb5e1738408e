// Starts the app: theme, data, router. Nothing else is global.
import './data/no-eval.ts'
import '@mantine/core/styles.css'
import '@mantine/notifications/styles.css'
import { MantineProvider } from '@mantine/core'
import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { queryClient } from './data/query-client.ts'
import { router } from './routes.tsx'
import { accountQuery } from './session/session.ts'
import { colors, theme } from './theme.ts'

/** Of this very page, put there by the gateway: styles made at run time carry it. */
const nonce = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? ''

// What keeps the page behind a dialogue still is a style made by a package of Mantine's, which looks for the nonce there.
Object.assign(globalThis, { __webpack_nonce__: nonce })

// Asked while the page's own files are fetched: nothing of it is drawn before both are there.
void queryClient.prefetchQuery(accountQuery)

const root = document.getElementById('root')
if (root !== null)
  createRoot(root).render(
    <StrictMode>
      <MantineProvider
        theme={theme}
        cssVariablesResolver={colors}
        defaultColorScheme="auto"
        getStyleNonce={() => nonce}
      >
        <QueryClientProvider client={queryClient}>
          <RouterProvider router={router} />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  )
