// Wallets that are contracts, against a real chain: deployed ones sign in by EIP-1271, those still to come by EIP-6492, and no contract can make the
// gateway wait, fetch, or take it for somebody else. The gateway is the real one; the contracts are compiled here.
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SiweMessage } from 'siwe'
import {
  concat,
  encodeAbiParameters,
  encodeDeployData,
  encodeFunctionData,
  getContractAddress,
  hashMessage,
  pad,
  recoverAddress,
  type Address,
  type Hex,
} from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createContractWallets } from '../../gateway/auth/contract-wallets.ts'
import { NonceReply, VerifyReply } from '../../protocol/auth.ts'
import { signInMessage } from '../../protocol/client.ts'
import { MembersReply } from '../../protocol/members.ts'
import { compile, hasAnvil, startChain, type Chain, type Compiled } from '../support/anvil.ts'
import { spawnGateway, type GatewayHandle } from '../support/gateway-process.ts'
import { describeVectors } from '../support/vectors.ts'

const CHAIN_ID = 31337

const SOURCE = `
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.0;
contract Wallet {
  address immutable owner;
  constructor(address o) { owner = o; }
  function isValidSignature(bytes32 hash, bytes calldata s) external view returns (bytes4) {
    if (s.length < 65) return 0xffffffff;
    address signer = ecrecover(hash, uint8(s[64]), bytes32(s[0:32]), bytes32(s[32:64]));
    return signer != address(0) && signer == owner ? bytes4(0x1626ba7e) : bytes4(0xffffffff);
  }
}
contract Factory {
  function deploy(address owner, bytes32 salt) external { new Wallet{salt: salt}(owner); }
}
contract Endless {
  function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) { while (true) {} return 0; }
}
contract Flood {
  function isValidSignature(bytes32, bytes calldata) external pure { assembly { return(0, 3000000) } }
}
contract Yes {
  fallback(bytes calldata) external returns (bytes memory) { return abi.encode(uint256(1)); }
}
contract Elsewhere {
  error OffchainLookup(address sender, string[] urls, bytes callData, bytes4 callback, bytes extra);
  string url;
  constructor(string memory u) { url = u; }
  function isValidSignature(bytes32, bytes calldata s) external view returns (bytes4) {
    string[] memory urls = new string[](1);
    urls[0] = url;
    revert OffchainLookup(address(this), urls, s, 0x1626ba7e, s);
  }
}
`

const MAGIC = '0x6492649264926492649264926492649264926492649264926492649264926492'

describe.skipIf(!hasAnvil)('a contract wallet', () => {
  let chain: Chain
  let gateway: GatewayHandle
  let contracts: Readonly<Record<string, Compiled>>
  let stateDir: string
  /** an address that must not be asked by anybody */
  let trap: Server
  let trapUrl = ''
  let trapped = 0

  beforeAll(async () => {
    contracts = compile(SOURCE)
    stateDir = await mkdtemp(join(tmpdir(), 'souk-contract-wallets-'))
    chain = await startChain(CHAIN_ID)
    trap = createServer((_, response) => {
      trapped++
      response.end('{}')
    })
    await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve))
    const address = trap.address()
    trapUrl = typeof address === 'object' && address ? `http://127.0.0.1:${address.port}/` : ''
    gateway = await spawnGateway({
      stateDir,
      port: 0,
      vars: { SOUK_CHAIN_ID: String(CHAIN_ID), SOUK_RPC_URL: chain.url },
    })
  })
  afterAll(async () => {
    await gateway?.stop()
    await chain?.stop()
    trap?.close()
    await rm(stateDir, { recursive: true, force: true })
  })

  const contractNamed = (name: string): Compiled => {
    const found = contracts[name]
    if (!found) throw new Error(`no contract ${name}`)
    return found
  }
  const deploy = async (name: string, args: readonly unknown[] = []): Promise<Address> => {
    const made = await chain.transact({ data: encodeDeployData({ ...contractNamed(name), args }) })
    if (!made) throw new Error('nothing was deployed')
    return made
  }
  const post = (path: string, body: unknown, token?: string): Promise<Response> =>
    fetch(new URL(path, gateway.url), {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
      body: JSON.stringify(body),
    })
  const aMessage = async (address: string): Promise<string> =>
    signInMessage(address, NonceReply.parse(await (await post('/auth/nonce', {})).json()))
  const verify = (message: string, signature: Hex): Promise<Response> => post('/auth/verify', { message, signature })
  const outcome = async (response: Response): Promise<string> => {
    if (response.ok) return 'signed in'
    return z.object({ error: z.object({ code: z.string() }) }).parse(await response.json()).error.code
  }
  const anOwner = () => privateKeyToAccount(generatePrivateKey())

  it('that is deployed signs in by EIP-1271, once for each nonce, and is known as an address on this chain', async () => {
    const owner = anOwner()
    const wallet = await deploy('Wallet', [owner.address])
    const message = await aMessage(wallet)
    const signature = await owner.signMessage({ message })
    const reply = await verify(message, signature)
    const { address, token, accountId } = VerifyReply.parse(await reply.json())
    expect(address.toLowerCase()).toBe(wallet.toLowerCase())
    expect(await outcome(await verify(message, signature))).toBe('sign_in_refused')
    const members = await fetch(new URL('/api/account/members', gateway.url), {
      headers: { authorization: `Bearer ${token}` },
    })
    expect(MembersReply.parse(await members.json()).data).toMatchObject([{ role: 'owner', chainId: CHAIN_ID }])
    const next = await aMessage(wallet)
    const again = VerifyReply.parse(await (await verify(next, await owner.signMessage({ message: next }))).json())
    expect(again.accountId).toBe(accountId)
  })

  it('is refused for whoever is not its owner, and for another text, and leaves the nonce alone', async () => {
    const owner = anOwner()
    const wallet = await deploy('Wallet', [owner.address])
    const message = await aMessage(wallet)
    expect(await outcome(await verify(message, await anOwner().signMessage({ message })))).toBe('sign_in_refused')
    expect(await outcome(await verify(message, await owner.signMessage({ message: `${message} ` })))).toBe(
      'sign_in_refused',
    )
    expect(await outcome(await verify(message, '0x'.padEnd(2048, '00') as Hex))).toBe('sign_in_refused') // 0x-hex
    expect(await outcome(await verify(message, await owner.signMessage({ message })))).toBe('signed in')
  })

  it('that is still to be deployed signs in by EIP-6492, and is the same wallet afterwards', async () => {
    const owner = anOwner()
    const factory = await deploy('Factory')
    const salt = pad('0x07', { size: 32 })
    const bytecode = encodeDeployData({ ...contractNamed('Wallet'), args: [owner.address] })
    const wallet = getContractAddress({ opcode: 'CREATE2', from: factory, salt, bytecode })
    const call = encodeFunctionData({
      ...contractNamed('Factory'),
      functionName: 'deploy',
      args: [owner.address, salt],
    })
    const wrapped = (signature: Hex): Hex =>
      concat([
        encodeAbiParameters([{ type: 'address' }, { type: 'bytes' }, { type: 'bytes' }], [factory, call, signature]),
        MAGIC,
      ])
    const message = await aMessage(wallet)
    expect(await outcome(await verify(message, wrapped(await anOwner().signMessage({ message }))))).toBe(
      'sign_in_refused',
    )
    const before = VerifyReply.parse(
      await (await verify(message, wrapped(await owner.signMessage({ message })))).json(),
    )
    expect(await chain.codeAt(wallet)).toBe('0x')
    await chain.transact({ to: factory, data: call })
    const next = await aMessage(wallet)
    const after = VerifyReply.parse(await (await verify(next, await owner.signMessage({ message: next }))).json())
    expect(after.accountId).toBe(before.accountId)
  })

  it('cannot be claimed with another contract behind its address, or with none', async () => {
    const factory = await deploy('Factory')
    const victim = anOwner().address
    const message = await aMessage(victim)
    const mine = anOwner()
    const call = encodeFunctionData({
      ...contractNamed('Factory'),
      functionName: 'deploy',
      args: [mine.address, pad('0x08', { size: 32 })],
    })
    const wrapped = concat([
      encodeAbiParameters(
        [{ type: 'address' }, { type: 'bytes' }, { type: 'bytes' }],
        [factory, call, await mine.signMessage({ message })],
      ),
      MAGIC,
    ])
    expect(await outcome(await verify(message, wrapped))).toBe('sign_in_refused')
    expect(await outcome(await verify(message, MAGIC))).toBe('sign_in_refused')
  })

  it.each(['Endless', 'Flood', 'Yes', 'Elsewhere'])('that is hostile (%s) is refused in bounded time', async (name) => {
    const wallet = await deploy(name, name === 'Elsewhere' ? [`${trapUrl}{data}`] : [])
    const message = await aMessage(wallet)
    const started = performance.now()
    const said = await outcome(await verify(message, await anOwner().signMessage({ message })))
    expect(['sign_in_refused', 'unavailable']).toContain(said)
    expect(performance.now() - started).toBeLessThan(30_000)
    expect(trapped).toBe(0)
  })

  it('that came in with a key stays a key: code behind its address signs for nobody', async () => {
    const key = anOwner()
    const first = await aMessage(key.address)
    expect(await outcome(await verify(first, await key.signMessage({ message: first })))).toBe('signed in')
    const thief = anOwner()
    const code = await chain.codeAt(await deploy('Wallet', [thief.address]))
    await chain.rpc('anvil_setCode', key.address, code)
    const message = await aMessage(key.address)
    expect(await outcome(await verify(message, await thief.signMessage({ message })))).toBe('sign_in_refused')
    const last = await aMessage(key.address)
    expect(await outcome(await verify(last, await key.signMessage({ message: last })))).toBe('signed in')
  })

  it('asks nothing of the chain for a nonce that nobody was given', async () => {
    const owner = anOwner()
    const wallet = await deploy('Wallet', [owner.address])
    const message = (await aMessage(wallet)).replace(/Nonce: \S+/, 'Nonce: 0123456789abcdef')
    expect(await outcome(await verify(message, await owner.signMessage({ message })))).toBe('sign_in_refused')
  })

  it('is told when its chain cannot be asked, or is another one; wallets with a key sign in all the same', async () => {
    const claim = { address: anOwner().address, text: 'x', signature: '0x01' }
    for (const [url, chainId] of [
      [chain.url, 1],
      ['http://127.0.0.1:9/', CHAIN_ID],
      [trapUrl, CHAIN_ID],
    ] as const)
      await expect(createContractWallets({ url, chainId }).hasSigned(claim)).rejects.toMatchObject({
        code: 'unavailable',
      })
    trapped = 0
  })

  it('never quotes where its chain is asked: the address may hold a key', async () => {
    const claim = { address: anOwner().address, text: 'x', signature: '0x01' }
    for (const url of ['http://127.0.0.1:9/CANARY', `${trapUrl}CANARY`, `${chain.url}/CANARY`]) {
      const error: unknown = await createContractWallets({ url, chainId: 1 })
        .hasSigned(claim)
        .catch((e: unknown) => e)
      const told: string[] = []
      for (let at = error; at instanceof Error; at = at.cause) told.push(at.message, at.stack ?? '', JSON.stringify(at))
      expect(told.length).toBeGreaterThan(3)
      expect(told.join(' ')).not.toContain('CANARY')
    }
    trapped = 0
  })

  describeVectors('siwe', (vectors) => {
    const Vectors = z.record(z.string(), z.object({ message: z.string(), signature: z.string().regex(/^0x/) }))
    for (const [name, vector] of Object.entries(Vectors.parse(vectors.json('eip1271.json'))))
      it(`of eip1271: ${name}, with a contract at its address that its signer owns, signs its message and no other`, async () => {
        const signature = vector.signature as Hex // as its schema says
        const { address } = new SiweMessage(vector.message)
        // The chain of the vector is not here: its contract is played by one that knows the key that signed.
        const signer = await recoverAddress({
          hash: hashMessage(vector.message),
          signature: signature.slice(0, 132) as Hex, // the start of hex
        })
        await chain.rpc('anvil_setCode', address, await chain.codeAt(await deploy('Wallet', [signer])))
        const wallets = createContractWallets({ url: chain.url, chainId: CHAIN_ID })
        const says = (text: string) => wallets.hasSigned({ address, text, signature })
        expect(await says(vector.message)).toBe(true)
        expect(await says(vector.message.replace('Nonce: ', 'Nonce: 0'))).toBe(false)
        await chain.rpc('anvil_setCode', address, '0x')
        expect(await says(vector.message)).toBe(false)
      })
  })
})
