// Reviews and registrations that meet, and what a probe looks like to the node it tests.
import { env } from 'cloudflare:workers'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createNodeBook } from '../../../../gateway/market/nodes/node-book.ts'
import { registerNode } from '../../../../gateway/market/nodes/register.ts'
import type { NodeView } from '../../../../protocol/node.ts'
import { OPERATOR } from '../builders.ts'
import { createFakeNode, type FakeNode, type Misbehaviour } from '../fake-node.ts'
import { addWallet, aRegistration, createMarketApp, type MarketApp } from '../market-app.ts'

describe('a node', () => {
  let app: MarketApp
  let node: FakeNode
  beforeAll(async () => {
    app = await createMarketApp()
    await addWallet()
    await app.publish()
  })
  beforeEach(async () => {
    // The operator of a suspended node brings in no other one.
    await env.DB.prepare("UPDATE nodes SET state = 'revoked' WHERE state = 'suspended'").run()
    node = await createFakeNode(app.now)
    app.connect(node)
  })
  const registered = async (bad: Misbehaviour): Promise<NodeView> => {
    node.bad = bad
    const body = await aRegistration(node, app.now())
    return (await app.send<NodeView>('POST', '/api/nodes', { account: OPERATOR, body })).body
  }

  it('keeps the proof of a review that ended while an older one was still waiting in vain', async () => {
    const { id } = await registered({ challenge: () => new Response('', { status: 500 }) })
    node.bad = { challenge: () => new Promise<Response>(() => undefined) }
    app.advance(2_001)
    const older = app.hello(id, node)
    while (node.calls.length < 2) await new Promise((resolve) => setTimeout(resolve, 5))
    node.bad = {}
    app.advance(2_001)
    expect((await app.hello(id, node)).body.state).toBe('probation')
    expect((await older).body.state).toBe('probation')
    expect((await app.node(id)).state).toBe('probation')
  })

  it('stays stopped when it is suspended while its operator registers again', async () => {
    const { id } = await registered({})
    const db = new Proxy(env.DB, {
      get: (target, name) =>
        name === 'batch'
          ? async (statements: D1PreparedStatement[]) => {
              await env.DB.prepare("UPDATE nodes SET state = 'suspended', reason = 'an audit' WHERE id = ?")
                .bind(id)
                .run()
              return target.batch(statements)
            }
          : (Reflect.get(target, name) as unknown),
    })
    const book = createNodeBook(db)
    await registerNode({ ...app.needs, book }, await aRegistration(node, app.now()), OPERATOR)
    expect(await app.node(id)).toMatchObject({ state: 'suspended', reason: 'an audit' })
  })

  it('cannot tell a probe from a call by the bound in its ticket', async () => {
    await registered({})
    const [ticket] = node.tickets
    const { messages, max_tokens } = JSON.parse(String(node.calls.at(-1)?.body)) as { messages: []; max_tokens: number }
    // As the inference room bounds a call: bytes of the messages' JSON, and 4 + 4 tokens of the template.
    expect(ticket?.inputTokensMax).toBe(new TextEncoder().encode(JSON.stringify(messages)).length + 8)
    expect(ticket?.outputTokensMax).toBe(max_tokens)
  })
})
