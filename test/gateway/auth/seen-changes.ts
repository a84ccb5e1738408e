// One of each thing that is told by what was seen of it, on the real app, as two people find it: what they look at and what they send then. Second writers are
// walked by it, and the statements behind a whole body are seen by it.
import { env } from 'cloudflare:workers'
import { getAddress } from 'viem'
import { systemRandom } from '../../../gateway/core/clock.ts'
import { bytesToHex, sha256Hex } from '../../../protocol/canonical.ts'
import { aModel } from '../../support/workers/builders.ts'
import type { aMatrix, Token } from './matrix-house.ts'

export type Matrix = Awaited<ReturnType<typeof aMatrix>>

export interface Written {
  readonly path: string
  readonly body?: object
}
/** One thing that can be changed, as two people find it. */
export interface Thing {
  readonly who: Token
  /** what a person looks at */
  readonly look: () => Promise<Record<string, unknown>>
  /** the n-th person's change, based on what they looked at */
  readonly write: (seen: Record<string, unknown>, n: number) => Written
}

/** Route -> its thing, made when it is asked for. */
export function seenChanges(house: Matrix) {
  /** of our own: what a node offers, and one that is taken out of use */
  const [MODEL, TAKEN_OUT] = ['pair/chat', 'pair/old']
  const owner = () => house.team.owner.token
  const paramsOf = (under: string) => house.things.find((thing) => thing.under === under)?.ours ?? {}
  const anAddress = () => getAddress(`0x${bytesToHex(systemRandom(20))}`)

  async function ask(who: Token, method: string, path: string, body?: object) {
    const response = await house.send(who, { method, path }, body ? { body: JSON.stringify(body) } : {})
    const text = await response.text()
    const read = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown> & { error?: { code: string } } // an answer of ours, or an error body
    return { status: response.status, code: read.error?.code, body: read }
  }
  const get = (who: Token, path: string) => async () => {
    const { status, body } = await ask(who, 'GET', path)
    if (status !== 200) throw new Error(`${status} ${path}`)
    return body
  }
  const inList = (who: Token, path: string, is: (one: Record<string, unknown>) => boolean) => async () => {
    const { data } = (await get(who, path)()) as { data: Record<string, unknown>[] } // a list of ours
    return data.find(is) ?? {}
  }
  const changed = async (who: Token, method: string, path: string, body?: object) => {
    const { status, body: answer } = await ask(who, method, path, body)
    if (status >= 300) throw new Error(`${status} ${method} ${path}: ${JSON.stringify(answer)}`)
    return answer
  }

  /** One model of ours that a node of ours may offer. */
  async function aModelOfOurs(id = MODEL) {
    const [{ manifest }, digest] = [aModel(), sha256Hex(id)]
    await env.DB.prepare(
      `INSERT OR IGNORE INTO models (id, digest, manifest, task, author_account_id, royalty_bps, created_at) VALUES (?, ?, ?, 'chat', ?, 0, 0)`,
    )
      .bind(id, digest, JSON.stringify({ ...manifest, id }), house.ours)
      .run()
    return { digest }
  }
  async function aDispute(id: string) {
    await env.DB.prepare(
      `INSERT INTO disputes (id, call_id, account_id, kind, words, state, cost_nanos, model_id, created_at) VALUES (?1, ?1, ?2, 'other', 'w', 'open', 1, 'a/b', 1)`,
    )
      .bind(id, house.ours)
      .run()
  }
  const anOffer = (digest: string, n: number) => ({
    ...{ model: MODEL, digest, contextTokens: 100 + n, outputTokensMax: 50, concurrencyMax: 1 },
    prices: { inputPerMillion: '1', outputPerMillion: '1' },
  })

  const account = '/api/account'
  const things: Readonly<Record<string, () => Thing | Promise<Thing>>> = {
    'PUT /api/account/limits': () => ({
      who: owner(),
      look: get(owner(), `${account}/limits`),
      write: ({ version }, n) => ({ path: `${account}/limits`, body: { version, rateLimit: { rpm: 10 + n } } }),
    }),
    'PUT /api/account/alerts': () => ({
      who: owner(),
      look: get(owner(), `${account}/alerts`),
      write: ({ version }, n) => ({ path: `${account}/alerts`, body: { version, balanceLowUsd: String(5 + n) } }),
    }),
    'PUT /api/account/policy': () => ({
      who: owner(),
      look: get(owner(), `${account}/policy`),
      write: (seen, n) => ({ path: `${account}/policy`, body: { ...seen, auditsAllowed: n === 0 } }),
    }),
    'PUT /api/account/members/:address': () => ({
      who: owner(),
      look: get(owner(), `${account}/members`),
      write: ({ version }, n) => ({
        path: `${account}/members/${house.team.member.address}`,
        body: { version, role: n === 0 ? 'billing' : 'admin' },
      }),
    }),
    'DELETE /api/account/members/:address/pending': async () => {
      const path = `${account}/members/${house.team.billing.address}`
      const { version } = await get(owner(), `${account}/members`)()
      await changed(owner(), 'PUT', path, { role: 'owner', version })
      return {
        who: owner(),
        look: get(owner(), `${account}/members`),
        write: (seen) => ({ path: `${path}/pending?version=${String(seen['version'])}` }),
      }
    },
    'PUT /api/account/payout-address': () => aPayoutAddress(() => ({ address: anAddress() })),
    'DELETE /api/account/payout-address': async () => {
      await changed(owner(), 'PUT', `${account}/payout-address`, { address: anAddress() })
      return aPayoutAddress(() => null)
    },
    'POST /api/keys/:id/reroll': () => {
      const path = `/api/keys/${paramsOf('/api/keys/:id')['id'] ?? ''}`
      return {
        who: owner(),
        look: get(owner(), path),
        write: ({ hint }) => ({ path: `${path}/reroll`, body: { hint } }),
      }
    },
    'POST /api/webhooks/:id/rotate': () => ({
      who: owner(),
      look: inList(owner(), '/api/webhooks', ({ id }) => id === 'wh_ours'),
      write: ({ oldSecretUntil }) => ({ path: '/api/webhooks/wh_ours/rotate', body: { oldSecretUntil } }),
    }),
    'POST /api/disputes/:id/withdraw': () => ({
      who: owner(),
      look: inList(owner(), '/api/disputes', ({ id }) => id === 'dispute_ours'),
      write: ({ version }) => ({ path: '/api/disputes/dispute_ours/withdraw', body: { version } }),
    }),
    'PUT /api/models/:author/:name/state': () => aModelState(owner(), 'PUT', ['deprecated', 'withdrawn', 'deprecated']),
    'POST /api/admin/models/:author/:name/state': () =>
      aModelState(house.admin, 'POST', ['blocked', 'blocked', 'blocked']),
    'PUT /api/operator/models': async () => {
      await aModelOfOurs()
      const rules = ['accepted', 'blocked', 'accepted'] as const
      return {
        who: owner(),
        look: inList(owner(), '/api/operator/models', ({ model }) => model === MODEL),
        write: ({ rule = null }, n) => ({
          path: '/api/operator/models',
          body: { model: MODEL, rule: rules[n], was: rule },
        }),
      }
    },
    'PUT /api/nodes/:id/offers': async () => {
      const { digest } = await aModelOfOurs()
      const path = `/api/nodes/${paramsOf('/api/nodes/:id')['id'] ?? ''}`
      return {
        who: owner(),
        look: get(owner(), path),
        write: ({ offersTag }, n) => ({
          path: `${path}/offers`,
          body: { offers: [anOffer(digest, n)], seen: offersTag },
        }),
      }
    },
    'PUT /api/admin/parameters/:name': () => ({
      who: house.admin,
      look: inList(house.admin, '/api/admin/parameters', ({ name }) => name === 'auditBps'),
      write: ({ version }, n) => ({
        path: '/api/admin/parameters/auditBps',
        body: { version, value: 41 + n, reason: 'a test' },
      }),
    }),
    'DELETE /api/admin/parameters/:name/pending': async () => {
      const path = '/api/admin/parameters/probationCalls'
      await changed(house.admin, 'PUT', path, { version: 0, value: 77, reason: 'a test' })
      return {
        who: house.admin,
        look: inList(house.admin, '/api/admin/parameters', ({ name }) => name === 'probationCalls'),
        write: ({ pending }) => ({ path: `${path}/pending?id=${(pending as { id: string }).id}` }), // it was just asked for
      }
    },
    'POST /api/admin/disputes/:id/decide': async () => {
      await aDispute('dispute_pair')
      return {
        who: house.admin,
        look: get(house.admin, '/api/admin/disputes/dispute_pair'),
        write: ({ version }, n) => ({
          path: '/api/admin/disputes/dispute_pair/decide',
          body: { version, decision: 'reject', answer: `The answer of ${n}.` },
        }),
      }
    },
    'POST /api/admin/reports/:id/decide': async () => {
      await aModelOfOurs()
      const said = { about: 'model', id: MODEL, kind: 'other', words: 'w' }
      const { id } = await changed(owner(), 'POST', '/api/reports', said)
      return {
        who: house.admin,
        look: inList(house.admin, '/api/admin/reports', (one) => one['id'] === id),
        write: ({ version }, n) => ({
          path: `/api/admin/reports/${String(id)}/decide`,
          body: { version, decision: n === 0 ? 'acted' : 'dismissed', answer: 'An answer.' },
        }),
      }
    },
    'POST /api/admin/accounts/:id/freeze': () => aFreeze('freeze'),
    'POST /api/admin/accounts/:id/unfreeze': async () => {
      await changed(house.admin, 'POST', `/api/admin/accounts/${house.ours}/freeze`, { reason: 'before' })
      return aFreeze('unfreeze')
    },
  }

  function aPayoutAddress(bodyOf: () => object | null): Thing {
    const path = `${account}/payout-address`
    return {
      who: owner(),
      look: get(owner(), path),
      write: ({ pending }) => {
        const seen = (pending as { requestedAt: string } | null)?.requestedAt ?? null // as PayoutAddressView has it
        const body = bodyOf()
        return body ? { path, body: { ...body, pending: seen } } : { path: `${path}?pending=${seen ?? ''}` }
      },
    }
  }

  async function aModelState(who: Token, method: string, states: readonly string[]): Promise<Thing> {
    await aModelOfOurs(TAKEN_OUT)
    const path = `/api${method === 'POST' ? '/admin' : ''}/models/${TAKEN_OUT}/state`
    return {
      who,
      look: get(owner(), `/api/models/${TAKEN_OUT}`),
      write: ({ stateAt }, n) => ({ path, body: { state: states[n], reason: `Reason ${n}.`, seen: stateAt } }),
    }
  }

  const aFreeze = (what: 'freeze' | 'unfreeze'): Thing => ({
    who: house.admin,
    look: get(house.admin, `/api/admin/accounts/${house.ours}`),
    write: ({ frozen }, n) => ({
      path: `/api/admin/accounts/${house.ours}/${what}`,
      body: { reason: `Reason ${n}.`, seen: (frozen as { at: string } | null)?.at ?? null }, // as AccountMoneyReply has it
    }),
  })

  return { things, ask }
}
