// All nodes of an account, on whatever machines they run: asked with the operator's wallet, or with an API key that may manage. Page after page.
import { createClient, type Client } from '../../protocol/client.ts'
import { OperatorSummary } from '../../protocol/operator.ts'
import type { Operator } from '../cli/wallet.ts'
import { dollars } from '../cli/table.ts'
import { gatewaySentence } from '../gateway-api.ts'
import { NODE_LIMITS } from '../limits.ts'
import { reachedOf, type NodeLine } from './many-nodes.ts'

export type Credential = { readonly apiKey: string } | { readonly wallet: Operator }

/** Without its cursor: all pages in one. */
export type WholeSummary = Omit<OperatorSummary, 'nextCursor'>

/** Pages of an account's nodes that are read: quotas end far below */
const PAGES_MAX = 100

/** @throws OperatorError when the gateway refuses or does not answer */
export async function summaryOf(gateway: string, credential: Credential): Promise<WholeSummary> {
  try {
    const client = await signedIn(gateway, credential)
    const ask = (query: string) => client.send('GET', `/api/operator/summary${query}`, OperatorSummary)
    const { nextCursor, ...summary } = await ask('')
    const data = [...summary.data]
    let cursor = nextCursor
    for (let pages = 1; pages < PAGES_MAX && cursor !== null; pages++) {
      const next: OperatorSummary = await ask(`?cursor=${encodeURIComponent(cursor)}`)
      data.push(...next.data)
      cursor = next.nextCursor
    }
    return { ...summary, data }
  } catch (cause) {
    throw gatewaySentence(cause, gateway)
  }
}

async function signedIn(url: string, credential: Credential): Promise<Client> {
  const timeoutMs = NODE_LIMITS.gatewayMs
  if ('apiKey' in credential) return createClient({ url, timeoutMs, token: credential.apiKey })
  return createClient({ url, timeoutMs }).signIn(credential.wallet)
}

export const operatorLine = ({ node, traffic }: WholeSummary['data'][number]): NodeLine => ({
  name: node.name,
  state: node.state,
  reached: reachedOf(node),
  ...traffic,
  reason: node.reason ?? node.offers.find(({ reason }) => reason !== null)?.reason ?? null,
})

/** What there is to be paid out, below the nodes. */
export function moneyLines({ money }: WholeSummary): string[] {
  const { withdrawable, vesting, vestingParts, withdrawals } = money
  const [soonest] = vestingParts
  const until = soonest ? `, $${dollars(soonest.usd)} of it from ${soonest.until.slice(0, 10)} on` : ''
  const paid = withdrawals.count === 1 ? 'one withdrawal waits' : `${withdrawals.count} withdrawals wait`
  return [
    `earned and free  $${dollars(withdrawable)}`,
    `vesting          $${dollars(vesting)}${until}`,
    ...(withdrawals.count === 0 ? [] : [`under way        $${dollars(withdrawals.usd)} (${paid} to be paid)`]),
  ]
}
