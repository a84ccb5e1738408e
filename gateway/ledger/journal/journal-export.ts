// A whole journal as a stream, straight from the account's guard: header, lines page by page, and last the signed head. One page is in memory,
// and the next is fetched when the reader wants it. The head is taken first, so that lines written meanwhile do not move the end.
import type { ExportHeader, HeadClaims } from '../../../protocol/journal-export.ts'
import { exportText, HEAD_TYP, type JournalHeadReply } from '../../../protocol/journal-export.ts'
import { GENESIS_HASH } from '../../../protocol/journal.ts'
import { toUsd, type AccountId } from '../../../protocol/units.ts'
import type { Clock } from '../../core/clock.ts'
import { assert } from '../../core/errors.ts'
import type { GatewayKey } from '../../core/gateway-key.ts'
import type { AccountPort, Accounts, JournalHead } from '../account-port.ts'

export interface JournalNeeds {
  readonly accounts: Accounts
  readonly clock: Clock
  readonly key: Pick<GatewayKey, 'attest' | 'jwks'>
}

/** The head as it is now, and the gateway's word for it. */
export async function signedHead(needs: JournalNeeds, accountId: AccountId): Promise<JournalHeadReply> {
  const claims = claimsOf(await needs.accounts(accountId).head(), accountId, needs.clock())
  return { ...claims, head: await needs.key.attest(HEAD_TYP, claims) }
}

/** @returns null when the journal does not reach `after` */
export async function exportJournal(
  needs: JournalNeeds,
  accountId: AccountId,
  after: number,
): Promise<ReadableStream<Uint8Array> | null> {
  const account = needs.accounts(accountId)
  const head = await account.head()
  if (after > head.seq) return null
  const pages = pagesOf(needs, account, head, accountId, after)
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { value, done } = await pages.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      async cancel() {
        await pages.return(undefined)
      },
    },
    // Nothing is fetched ahead of the reader.
    { highWaterMark: 0 },
  )
}

/** Throws rather than end early: without its trailer a file is not whole, and a broken stream is seen by whoever reads it. */
async function* pagesOf(
  { key, clock }: JournalNeeds,
  account: AccountPort,
  head: JournalHead,
  accountId: AccountId,
  after: number,
): AsyncGenerator<Uint8Array, undefined> {
  const encoder = new TextEncoder()
  const header: ExportHeader = { format: 'souk-journal/1', accountId, after, jwks: key.jwks }
  yield encoder.encode(exportText(header))
  let seq = after
  let hash = after === 0 ? GENESIS_HASH : null
  while (seq < head.seq) {
    const page = (await account.journal(seq, true)).filter((line) => line.seq <= head.seq)
    const last = page.at(-1)
    assert(last && last.seq === seq + page.length, 'a journal has no gaps')
    yield encoder.encode(page.map(exportText).join(''))
    seq = last.seq
    hash = last.hash
  }
  assert(hash === null || hash === head.hash, 'the last line is the head')
  yield encoder.encode(exportText({ head: await key.attest(HEAD_TYP, claimsOf(head, accountId, clock())) }))
  return undefined
}

/** A guard that was never opened has no id to tell; its journal is empty. */
const claimsOf = ({ seq, hash, balanceNanos }: JournalHead, accountId: AccountId, now: number): HeadClaims => ({
  accountId,
  seq,
  hash,
  balance: toUsd(balanceNanos),
  at: new Date(now).toISOString(),
})
