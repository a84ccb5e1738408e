// The routes of a gateway that a registration uses. It checks the sign-in for real and keeps what it was sent, for the test to check.
import { verifyMessage } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { z } from 'zod'
import { VerifyRequest } from '../../protocol/auth.ts'
import { HelloRequest, RegisterNodeRequest, type NodeView } from '../../protocol/node.ts'
import type { FakeGateway } from './builders.ts'

export const CHAIN_ID = 31_337
export const operatorKey = generatePrivateKey()
export const operator = privateKeyToAccount(operatorKey)

/** Answers as the gateway does and keeps what it was sent; `state` is what a greeting is answered with. */
export function openRegistration(gateway: FakeGateway, state: { now: NodeView['state'] }) {
  const seen: { registration?: RegisterNodeRequest; hellos: string[]; signedIn: boolean } = {
    hellos: [],
    signedIn: false,
  }
  const view = (registration: RegisterNodeRequest): NodeView => ({
    id: 'node_0123456789abcdef',
    name: registration.name,
    nodeKey: registration.nodeKey,
    operatorAccountId: 'a'.repeat(16),
    endpoint: registration.endpoint,
    state: state.now,
    reason: state.now === 'pending' ? 'the endpoint did not answer yet' : null,
    offers: [],
    createdAt: new Date().toISOString(),
  })
  const times = { issuedAt: new Date().toISOString(), expirationTime: new Date(Date.now() + 60_000).toISOString() }
  gateway.app.post('/auth/nonce', (c) =>
    c.json({
      nonce: 'abcdefgh1234',
      domain: new URL(c.req.url).host,
      uri: gateway.url,
      chainId: CHAIN_ID,
      statement: 'Sign in.',
      ...times,
    }),
  )
  gateway.app.post('/auth/verify', async (c) => {
    const { message, signature } = VerifyRequest.parse(await c.req.json())
    const hex = z.templateLiteral(['0x', z.string()]).parse(signature)
    seen.signedIn = await verifyMessage({ address: operator.address, message, signature: hex })
    const reply = { token: 'session', accountId: 'a'.repeat(16), address: operator.address, roles: ['operator'] }
    return c.json({ ...reply, expiresAt: times.expirationTime })
  })
  gateway.app.post('/api/nodes', async (c) => {
    if (c.req.header('authorization') !== 'Bearer session') return c.json({}, 401)
    seen.registration = RegisterNodeRequest.parse(await c.req.json())
    return c.json(view(seen.registration), 201)
  })
  gateway.app.post('/api/nodes/:id/hello', async (c) => {
    seen.hellos.push(HelloRequest.parse(await c.req.json()).proof)
    return seen.registration ? c.json(view(seen.registration)) : c.json({}, 404)
  })
  return seen
}
