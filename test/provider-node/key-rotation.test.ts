// Exchanging keys, cut off at each step: whatever happens, running it again ends with the new keys at the gateway and on the disk, and the old ones kept.
import { chmod, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { verifyTypedData } from 'viem'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { bytesToHex, fromBase64url } from '../../protocol/canonical.ts'
import { importPublicKey } from '../../protocol/keys.ts'
import { nodeAuthorizationDomain, nodeAuthorizationTypes, type NodeView } from '../../protocol/node.ts'
import { ROTATION_TYP, RotateRequest, rotationClaims } from '../../protocol/operator.ts'
import { verifyClaims } from '../../protocol/ticket.ts'
import { revokeCommand, runRevoke } from '../../provider-node/cli/revoke.ts'
import { rotateKeyCommand, runRotateKey } from '../../provider-node/cli/rotate-key.ts'
import { parseOptions } from '../../provider-node/cli/options.ts'
import { loadIdentity } from '../../provider-node/identity.ts'
import { NEXT_KEYS } from '../../provider-node/key-rotation.ts'
import { aGateway, type FakeGateway } from './builders.ts'
import { aPatient, NODE_ID, type Patient } from './doctor/builders.ts'
import { CHAIN_ID, openRegistration, operator, operatorKey } from './registration-gateway.ts'

let gateway: FakeGateway
let patient: Patient
/** what the gateway holds, and whether it answers after it has taken an exchange */
let registered: { nodeKey: string; state: NodeView['state'] }
let answers = true
let exchanges: RotateRequest[] = []
beforeEach(async () => {
  gateway = await aGateway()
  openRegistration(gateway, { now: 'active' })
  patient = await aPatient(gateway.url)
  registered = { nodeKey: patient.identity.nodeKey, state: 'active' }
  answers = true
  exchanges = []
  const view = () => ({
    id: NODE_ID,
    name: 'mine',
    operatorAccountId: 'a'.repeat(16),
    endpoint: 'link',
    reason: null,
    offers: [],
    createdAt: '2026-11-21T00:00:00.000Z',
    ...registered,
  })
  gateway.app.get(`/api/nodes/${NODE_ID}`, (c) => c.json(view()))
  gateway.app.post(`/api/nodes/${NODE_ID}/rotate`, async (c) => {
    const request = RotateRequest.parse(await c.req.json())
    exchanges.push(request)
    registered = { ...registered, nodeKey: request.nodeKey }
    return answers ? c.json(view()) : c.json({}, 500)
  })
  gateway.app.post(`/api/nodes/${NODE_ID}/revoke`, (c) => {
    if (c.req.header('authorization') !== 'Bearer session') return c.json({}, 401)
    registered = { ...registered, state: 'revoked' }
    return c.json(view())
  })
})
afterEach(async () => {
  await gateway.close()
  await patient.remove()
})

async function command(
  kind: 'rotate-key' | 'revoke',
  args: readonly string[] = [],
  key: string | undefined = operatorKey,
) {
  const lines: string[] = []
  const terminal = {
    print: (line: string) => void lines.push(line),
    tell: () => undefined,
    env: { SOUK_OPERATOR_KEY: key },
  }
  const [spec, run] = kind === 'revoke' ? [revokeCommand.spec, runRevoke] : [rotateKeyCommand.spec, runRotateKey]
  const failure = await run(parseOptions(spec, ['--home', patient.home, ...args]), terminal).then(
    () => null,
    (cause: unknown) => cause,
  )
  return { out: lines.join('\n'), failure }
}
const keyOf = async (name?: string) => (await loadIdentity(patient.home, name)).nodeKey
const keptFiles = async () => (await readdir(patient.home)).filter((name) => /^keys\.\d{4}-.*\.json$/.test(name))

describe('souk-node rotate-key', () => {
  it('puts new keys in the place of the old, which both keys and the wallet have signed', async () => {
    const { out, failure } = await command('rotate-key')
    expect(failure).toBeNull()
    const next = await loadIdentity(patient.home)
    expect([registered.nodeKey, next.nodeKey === patient.identity.nodeKey]).toEqual([next.nodeKey, false])
    const [request] = exchanges
    const claims = rotationClaims(NODE_ID, patient.identity.nodeKey, next.nodeKey, request?.deadline ?? 0)
    const proofs = [
      [request?.newProof, next.nodeKey],
      [request?.oldProof, patient.identity.nodeKey],
    ] as const
    for (const [proof = '', key] of proofs) {
      const signed = await verifyClaims(proof, ROTATION_TYP, z.unknown(), () => importPublicKey(key))
      expect(signed).toEqual({ ok: true, value: claims })
    }
    const hex = z.templateLiteral(['0x', z.string()])
    const isSigned = await verifyTypedData({
      address: operator.address,
      domain: nodeAuthorizationDomain(CHAIN_ID),
      types: nodeAuthorizationTypes,
      primaryType: 'NodeAuthorization',
      message: {
        operator: operator.address,
        nodeKey: `0x${bytesToHex(fromBase64url(next.nodeKey))}`,
        settlementKey: next.settlementAddress,
        deadline: BigInt(request?.deadline ?? 0),
      },
      signature: hex.parse(request?.signature),
    })
    expect(isSigned).toBe(true)
    expect(out).toContain('restart the node')
  })

  it('keeps the old file beside it, readable by its owner only, and leaves no other', async () => {
    await command('rotate-key')
    const [kept = ''] = await keptFiles()
    expect(await keyOf(kept)).toBe(patient.identity.nodeKey)
    expect((await stat(join(patient.home, kept))).mode & 0o777).toBe(0o600)
    expect((await stat(join(patient.home, 'keys.json'))).mode & 0o777).toBe(0o600)
    expect((await readdir(patient.home)).sort()).toEqual(['config.json', kept, 'keys.json'].sort())
  })

  it('prints no secret', async () => {
    const { out } = await command('rotate-key', ['--json'])
    const file = z.object({ nodeKey: z.object({ d: z.string() }), settlementKey: z.string() })
    const secrets = file.parse(JSON.parse(await readFile(join(patient.home, 'keys.json'), 'utf8')))
    for (const secret of [secrets.nodeKey.d, secrets.settlementKey, operatorKey]) expect(out).not.toContain(secret)
    expect(
      z.object({ node: z.object({ id: z.literal(NODE_ID) }), kept: z.string() }).safeParse(JSON.parse(out)).error,
    ).toBeUndefined()
  })

  it('goes on with the same keys when the gateway took them and its answer was lost', async () => {
    answers = false
    expect((await command('rotate-key')).failure).toMatchObject({ name: 'OperatorError' })
    expect(await keyOf()).toBe(patient.identity.nodeKey)
    expect(registered.nodeKey).toBe(await keyOf(NEXT_KEYS))
    answers = true
    expect((await command('rotate-key')).failure).toBeNull()
    expect([await keyOf(), exchanges.length]).toEqual([registered.nodeKey, 1])
  })

  it('goes on when it ended between the copy and the change', async () => {
    answers = false
    await command('rotate-key')
    await writeFile(
      join(patient.home, 'keys.2026-11-21T00-00-00.json'),
      await readFile(join(patient.home, 'keys.json')),
      { mode: 0o600 },
    )
    expect((await command('rotate-key')).failure).toBeNull()
    expect(await keyOf()).toBe(registered.nodeKey)
    for (const kept of await keptFiles()) expect(await keyOf(kept)).toBe(patient.identity.nodeKey)
  })

  it('begins with the keys of a run that ended before it asked', async () => {
    answers = false
    await command('rotate-key')
    registered = { ...registered, nodeKey: patient.identity.nodeKey }
    answers = true
    const waiting = await keyOf(NEXT_KEYS)
    await command('rotate-key')
    expect(await keyOf()).toBe(waiting)
  })

  it('does without the old keys when they are said to be lost, and only then', async () => {
    await rm(join(patient.home, 'keys.json'))
    expect((await command('rotate-key')).failure).toMatchObject({
      message: expect.stringContaining('there are no keys'),
    })
    expect((await command('rotate-key', ['--lost'])).failure).toBeNull()
    expect([exchanges.length, exchanges[0]?.oldProof, await keyOf()]).toEqual([1, undefined, registered.nodeKey])
  })

  it('refuses keys that are not those of the registration, and asks for nothing', async () => {
    registered = { ...registered, nodeKey: 'another' }
    expect((await command('rotate-key')).failure).toMatchObject({
      message: expect.stringContaining('is not what this node is registered with'),
    })
    expect([exchanges.length, await keyOf()]).toEqual([0, patient.identity.nodeKey])
  })

  it.skipIf(process.platform === 'win32')('touches nothing when the old keys can be read by others', async () => {
    await chmod(join(patient.home, 'keys.json'), 0o644)
    expect((await command('rotate-key')).failure).toMatchObject({ message: expect.stringContaining('chmod 600') })
    expect(exchanges).toEqual([])
  })

  it('needs a wallet, and a registration', async () => {
    expect((await command('rotate-key', [], '')).failure).toMatchObject({
      message: 'set SOUK_OPERATOR_KEY or give --wallet-key-file',
    })
    const config = await readFile(join(patient.home, 'config.json'), 'utf8')
    await writeFile(join(patient.home, 'config.json'), config.replace(JSON.stringify(NODE_ID), 'null'))
    expect((await command('rotate-key')).failure).toMatchObject({ message: expect.stringContaining('not registered') })
    await rename(join(patient.home, 'config.json'), join(patient.home, 'away'))
    expect((await command('rotate-key')).failure).toMatchObject({
      message: expect.stringContaining('there is no node'),
    })
  })
})

describe('souk-node revoke', () => {
  it('takes the authorisation back by the wallet', async () => {
    expect(await command('revoke')).toEqual({ out: `${NODE_ID} is revoked`, failure: null })
    expect(registered.state).toBe('revoked')
  })

  it('does so for a machine that is gone, without its state folder', async () => {
    await rm(join(patient.home, 'config.json'))
    expect((await command('revoke')).failure).toMatchObject({ exitCode: 1 })
    expect((await command('revoke', ['--gateway', gateway.url, '--node', NODE_ID])).failure).toBeNull()
    expect((await command('revoke', ['--gateway', 'nowhere', '--node', NODE_ID])).failure).toMatchObject({
      exitCode: 2,
    })
  })
})
