// What an operator reads: every command's output as it stands on a terminal, its refusals and exit codes, with a gateway that answers as the test says.
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runDrain } from '../../../provider-node/cli/drain.ts'
import { loadConfig, storedConfig } from '../../../provider-node/config.ts'
import { aTemporaryFolder } from '../builders.ts'
import { anOperatorGateway, NODE_ID, NO_TRAFFIC, pricesOf, souk, type OperatorGateway } from './souk-node.ts'

let folder = ''
let home = ''
let removeFolder = () => Promise.resolve()
let gateway: OperatorGateway
beforeEach(async () => {
  const made = await aTemporaryFolder()
  folder = made.path
  removeFolder = made.remove
  home = join(folder, 'node')
  await souk(['init', '--home', home, '--name', 'my machine', '--model', 'tiny-chat', '--model', 'language-id'])
  gateway = await anOperatorGateway(home)
})
afterEach(async () => {
  await gateway.close()
  await removeFolder()
})

const run = (...args: string[]) => souk([...args, '--home', home], { SOUK_NODE_GATEWAY: gateway.url })
const json = async (...args: string[]): Promise<unknown> => JSON.parse((await run(...args, '--json')).out)

const RANGE = {
  model: 'souk/tiny-chat',
  offers: 3,
  low: pricesOf('0.010000000'),
  median: pricesOf('0.040000000'),
  high: pricesOf('0.100000000'),
}

describe('souk-node status', () => {
  it('is one screen: state, traffic, prices beside the market, health, reasons, notices', async () => {
    const [chat] = gateway.status.node.offers
    if (!chat) throw new Error('no offer')
    const day = { calls: 1_234, errors: 5, inputTokens: 100_000, outputTokens: 20_000, tensorBytes: 1_500_000 }
    gateway.status = {
      ...gateway.status,
      node: { ...gateway.status.node, state: 'probation', offers: [chat] },
      reasons: ['It is on probation: it gets a small share of the calls until it has served a hundred of them well.'],
      notices: ['souk/tiny-chat is deprecated: use souk/tiny-chat-v2.'],
      health: [
        ...[{ model: 'souk/tiny-chat', breaker: 'closed' as const, success: 0.992, firstTokenMs: 120.4 }].map(
          (one) => ({
            ...one,
            unitsPerSecond: 35.4,
            inFlight: 2,
          }),
        ),
      ],
      traffic: { hour: NO_TRAFFIC, day: { ...day, earned: '0.012340000' }, month: { ...day, earned: '1.500000000' } },
      prices: [RANGE],
    }
    const { code, out, err } = await run('status')
    expect([code, err]).toEqual([0, ''])
    const lines = out.split('\n').filter((line) => !line.startsWith('folder') && !line.startsWith('reached'))
    expect(lines).toEqual([
      `node       my machine  ${NODE_ID}`,
      `gateway    ${gateway.url}`,
      'state      probation',
      'process    none runs on this folder: souk-node start',
      'last call  never',
      'receipts   0 waiting; 0 refused by the gateway',
      '',
      'last     calls  failed  tokens in     out  tensor MB  earned $',
      'hour         0       0          0       0        0.0         0',
      'day      1,234       5    100,000  20,000        1.5   0.01234',
      '30 days  1,234       5    100,000  20,000        1.5       1.5',
      '',
      'souk/tiny-chat  live',
      '  health     99.2 % served, first answer after 120 ms, 35 units/s, 2 under way',
      '  promises   honours temperature, top_p, top_k, seed, stop, n, logprobs,',
      '             top_logprobs, response_format; goes on from others; keeps no',
      '             prompts',
      '                         yours   low  median  high   of 3 other offers',
      '  input, $ per million    0.05  0.01    0.04   0.1',
      '  output, $ per million    0.2  0.01    0.04   0.1',
      '',
      'Why there is no traffic, or less than there could be:',
      '  - It is on probation: it gets a small share of the calls until it has served a',
      '    hundred of them well.',
      '',
      'Notices:',
      '  - souk/tiny-chat is deprecated: use souk/tiny-chat-v2.',
      '',
    ])
    expect(/^reached +by its link, up since 2026-01-01 11:00 UTC \(.+\)$/m.test(out)).toBe(true)
  })

  it('shows what is known here when the gateway is away, or refuses', async () => {
    const down = await souk(['status', '--home', home], { SOUK_NODE_GATEWAY: 'http://127.0.0.1:1' })
    expect(down.code).toBe(0)
    expect(down.out).toContain("The gateway's part is missing: the gateway http://127.0.0.1:1 does not answer.\n")
    expect(down.out).toContain('In config.json:\n  tiny-chat\n  language-id\n')
    gateway.refusal = { status: 404, body: { error: refusal('not_found', 'There is nothing here.') } }
    expect((await run('status')).out.replaceAll('\n', ' ')).toContain('the gateway refused: There is nothing here.')
    expect(await json('status')).toMatchObject({ home, nodeId: NODE_ID, status: null, problem: expect.any(String) })
  })

  it('says that the node is not registered, and that there is none', async () => {
    await souk(['init', '--home', join(folder, 'new'), '--model', 'tiny-chat'])
    const fresh = await souk(['status', '--home', join(folder, 'new')])
    expect(fresh.out).toContain("The gateway's part is missing: it is not registered yet: run souk-node register.")
    expect(await souk(['status', '--home', join(folder, 'none')])).toMatchObject({
      code: 1,
      err: `souk-node: there is no node in ${join(folder, 'none')}: run souk-node init\n`,
    })
  })

  it('puts several nodes on one page with their sums, one that cannot be read among them', async () => {
    const second = join(folder, 'second')
    await souk(['init', '--home', second, '--name', 'a machine with a long name indeed', '--model', 'tiny-chat'])
    const third = join(folder, 'third')
    await souk(['init', '--home', third, '--model', 'tiny-chat'])
    await writeFile(join(third, 'config.json'), '{')
    const earned = { ...NO_TRAFFIC, calls: 3, errors: 1, earned: '0.000000300' }
    gateway.status = { ...gateway.status, traffic: { hour: NO_TRAFFIC, day: earned, month: earned } }
    const { code, out } = await souk(['status', '--homes', folder], { SOUK_NODE_GATEWAY: gateway.url })
    expect(code).toBe(0)
    expect(out.split('\n').slice(0, 6)).toEqual([
      `${'node'.padEnd(third.length > 20 ? 20 : third.length)}  state   link  calls/day  failed      $/day  $/30 days`,
      'my machine            active  up            3       1  0.0000003  0.0000003',
      'a machine with a lo…  ?       ?             ?       ?          ?          ?',
      `${third.slice(0, 19)}…  ?       ?             ?       ?          ?          ?`,
      'all                   3                     3       1  0.0000003  0.0000003',
      '',
    ])
    expect(out).toContain('- a machine with a long name indeed: it is not registered yet: run souk-node\n')
    const both: unknown = JSON.parse((await souk(['status', '--home', home, '--home', second, '--json'])).out)
    expect(both).toMatchObject([{ home }, { home: second }])
  })

  it('asks for all nodes of the account with a managing key, page after page', async () => {
    const tokens: (string | undefined)[] = []
    const day = { ...NO_TRAFFIC, calls: 7, earned: '0.500000000' }
    const traffic = { day, month: day }
    const money = {
      withdrawable: '1.250000000',
      vesting: '0.500000000',
      vestingParts: [{ usd: '0.200000000', until: '2026-02-01T00:00:00.000Z' }],
      withdrawals: { count: 1, usd: '3.000000000' },
    }
    gateway.app.get('/api/operator/summary', (c) => {
      tokens.push(c.req.header('authorization'))
      const nextCursor = c.req.query('cursor') === undefined ? 'next' : null
      const node = { node: gateway.status.node, traffic, lastCallAt: null }
      return c.json({ data: [node], nextCursor, nodes: 2, traffic, money })
    })
    const asked = ['status', '--operator', '--gateway', `${gateway.url}/`]
    const { code, out } = await souk(asked, { SOUK_API_KEY: 'sk-souk-key' })
    expect([code, tokens]).toEqual([0, ['Bearer sk-souk-key', 'Bearer sk-souk-key']])
    expect(out.split('\n')).toEqual([
      'node        state   link  calls/day  failed  $/day  $/30 days',
      'my machine  active  up            7       0    0.5        0.5',
      'my machine  active  up            7       0    0.5        0.5',
      'all         2                    14       0      1          1',
      '',
      'earned and free  $1.25',
      'vesting          $0.5, $0.2 of it from 2026-02-01 on',
      'under way        $3 (one withdrawal waits to be paid)',
      '',
    ])
    expect(await souk(asked)).toMatchObject({
      code: 1,
      err: 'souk-node: set SOUK_OPERATOR_KEY or give --wallet-key-file\n',
    })
  })

  it.each([
    [['status', '--home', 'a', '--homes', 'b'], 'give --home or --homes, not both'],
    [['status', '--operator', '--homes', 'b'], '--operator shows all nodes of the account: give it without --homes'],
  ])('refuses %j', async (args, sentence) => {
    expect(await souk(args)).toMatchObject({ code: 2, err: `souk-node: ${sentence}\n` })
  })
})

describe('souk-node price', () => {
  beforeEach(() => void gateway.prices.set('souk/tiny-chat', RANGE))

  it("shows the node's prices beside the market's, and what is far from them", async () => {
    const { code, out } = await run('price', 'tiny-chat')
    expect([code, out]).toEqual([
      0,
      [
        'souk/tiny-chat',
        '                         yours   low  median  high   of 3 other offers',
        '  input, $ per million    0.05  0.01    0.04   0.1',
        '  output, $ per million    0.2  0.01    0.04   0.1',
        '  ! input 0.05 is more than twice the lowest, 0.01: while a node at that price',
        '    is healthy and free, calls that do not ask for you go there',
        '  ! output 0.2 is more than twice the median, 0.04: calls that do not ask for',
        '    you go to cheaper nodes',
        '',
      ].join('\n'),
    ])
  })

  it('changes config.json in place and tells the gateway all offers, signed by the node', async () => {
    const before = await readFile(join(home, 'config.json'), 'utf8')
    const { code, out } = await run('price', 'souk/tiny-chat', '--input', '.02', '--per-call', '$0.001')
    expect([code, out]).toEqual([
      0,
      [
        'souk/tiny-chat',
        '                        before    now   low  median  high',
        '  input, $ per million    0.05   0.02  0.01    0.04   0.1',
        '  $ per call                 0  0.001     0       0     0',
        '  ! output 0.2 is more than twice the median, 0.04: calls that do not ask for',
        '    you go to cheaper nodes',
        'The gateway knows, and config.json is changed: new calls pay this.',
        '',
      ].join('\n'),
    ])
    const after = await readFile(join(home, 'config.json'), 'utf8')
    expect(after).toBe(before.replace('"0.05"', '"0.02"').replace('"perCall": "0"', '"perCall": "0.001"'))
    expect(gateway.put).toHaveLength(1)
    expect(gateway.put[0]?.map(({ model, prices }) => [model, prices.inputPerMillion]).sort()).toEqual([
      ['souk/language-id', '0'],
      ['souk/tiny-chat', '0.02'],
    ])
  })

  it('changes nothing on --dry-run, and nothing when the gateway refuses or is silent', async () => {
    const before = await readFile(join(home, 'config.json'), 'utf8')
    expect((await run('price', 'tiny-chat', '--input', '1', '--dry-run')).out).toContain('Nothing was changed')
    gateway.refusal = { status: 422, body: { error: refusal('invalid_request', 'This price is absurdly high.') } }
    const refused = await run('price', 'tiny-chat', '--input', '1000')
    expect([refused.code, refused.err]).toEqual([
      1,
      'souk-node: the gateway refused: This price is absurdly high. (invalid_request)\n',
    ])
    const silent = await souk(['price', 'tiny-chat', '--input', '1', '--home', home], {
      SOUK_NODE_GATEWAY: 'http://127.0.0.1:1',
    })
    expect([silent.code, silent.err.split('\n').at(-2)]).toEqual([
      1,
      'souk-node: the gateway http://127.0.0.1:1 does not answer',
    ])
    expect([await readFile(join(home, 'config.json'), 'utf8'), gateway.put]).toEqual([before, []])
  })

  it('changes the file alone of a node that is not registered yet', async () => {
    const args = ['price', 'tiny-chat', '--output', '0.3', '--home', home]
    const { out } = await souk(args, { SOUK_NODE_GATEWAY: gateway.url, SOUK_NODE_ID: 'none' })
    expect(out).toContain('config.json is changed; the gateway is told when the node is registered.')
    expect((await storedConfig(home)).models[0]?.prices.outputPerMillion).toBe('0.3')
  })

  it.each([
    [['price', '--input', '0.1'], 2, 'name the model whose price changes: souk/tiny-chat, souk/language-id'],
    [
      ['price', 'tiny-chat', '--input', '-1'],
      2,
      'option --input needs dollars, at most 1000 and with at most nine places, such as 0.05',
    ],
    [
      ['price', 'tiny-chat', '--input', 'x'],
      2,
      'option --input needs dollars, at most 1000 and with at most nine places, such as 0.05',
    ],
    [
      ['price', 'tiny-chat', '--input', '0.0000000001'],
      2,
      'option --input needs dollars, at most 1000 and with at most nine places, such as 0.05',
    ],
    [
      ['price', 'tiny-chat', '--input', '1000.000000001'],
      2,
      'option --input needs dollars, at most 1000 and with at most nine places, such as 0.05',
    ],
    [['price', '--dry-run'], 2, 'option --dry-run needs a price to try, such as --input'],
    [['price', 'tiny-chta'], 1, 'there is no model tiny-chta in config.json: did you mean tiny-chat?'],
  ])('refuses %j', async (args, code, sentence) => {
    expect(await run(...args)).toMatchObject({ code, err: `souk-node: ${sentence}\n` })
  })
})

describe('souk-node models', () => {
  it('lists state here and at the gateway, digest, size, licence and price', async () => {
    const [chat] = gateway.status.node.offers
    if (!chat) throw new Error('no offer')
    const why = 'It answered a probe wrongly: check its files with souk-node doctor --deep.'
    gateway.status.node.offers = [{ ...chat, state: 'pending', reason: why }]
    const { code, out } = await run('models', 'list')
    expect(code).toBe(0)
    const [first = '', second = ''] = out.split('\n\n')
    expect(first).toBe(
      [
        'souk/tiny-chat',
        '  here     on disk',
        '  gateway  pending: It answered a probe wrongly: check its files with souk-node',
        '           doctor --deep.',
        `  files    digest ${chat.digest.slice(0, 12)}…, ${/[\d.]+ MB/.exec(first)?.[0]}, Apache-2.0 AND LicenseRef-WordNet-3.0,`,
        '           tiny-chat',
        '  prices   input $0.05, output $0.2 (tokens, bytes: per million)',
      ].join('\n'),
    )
    expect(second).toContain('  gateway  not offered: souk-node models add language-id\n')
    expect(await json('models', 'list')).toMatchObject([{ model: 'souk/tiny-chat', here: 'on disk' }, {}])
  })

  it('adds a shipped model: checked, in config.json, offered beside the others; again is harmless', async () => {
    gateway.prices.set('souk/word-vectors', { ...RANGE, model: 'souk/word-vectors' })
    const { code, out } = await run('models', 'add', 'word-vectors', '--input', '0.02', '--concurrency', '8')
    expect([code, out]).toEqual([
      0,
      [
        'souk/word-vectors  is in config.json',
        '                         yours   low  median  high   of 3 other offers',
        '  input, $ per million    0.02  0.01    0.04   0.1',
        '  output, $ per million      0  0.01    0.04   0.1',
        'The gateway probes it next: souk-node models list.',
        '',
      ].join('\n'),
    ])
    expect((await storedConfig(home)).models[2]).toMatchObject({ folder: 'word-vectors', concurrencyMax: 8 })
    expect(gateway.put[0]?.map(({ model }) => model)).toEqual([
      'souk/tiny-chat',
      'souk/language-id',
      'souk/word-vectors',
    ])
    expect((await run('models', 'add', 'word-vectors')).out).toContain('was configured already')
    expect((await storedConfig(home)).models).toHaveLength(3)
  })

  it('adds a model that another server computes', async () => {
    gateway.prices.set('souk/word-vectors', { ...RANGE, model: 'souk/word-vectors' })
    const upstream = [
      '--upstream-url',
      'http://127.0.0.1:8000/',
      '--upstream-model',
      'vectors',
      '--upstream-key-env',
      'KEY',
    ]
    expect((await run('models', 'add', 'word-vectors', '--engine', 'openai', ...upstream)).code).toBe(0)
    expect((await loadConfig(home, {})).models[2]).toMatchObject({
      engine: 'openai',
      upstream: { url: 'http://127.0.0.1:8000', model: 'vectors', apiKeyEnv: 'KEY' },
    })
    expect(gateway.put[0]?.[2]?.assurance).toBe('declared')
  })

  it.each([
    [
      ['ocr'],
      1,
      'the model souk/ocr is under the licence MIT: read it, and if you accept it give --accept-licence "MIT"',
    ],
    [
      ['word-vectors'],
      1,
      'the gateway does not know the model souk/word-vectors: its author publishes it first (souk-node publish)',
    ],
    [['tiny-chat', '--input', '1'], 1, 'souk/tiny-chat is configured already: change its price with souk-node price'],
    [['word-vectors', '--engine', 'openai'], 2, '--engine openai needs --upstream-url and --upstream-model'],
    [['word-vectors', '--upstream-url', 'http://a'], 2, '--upstream-… goes with --engine openai or oip'],
    [
      ['word-vectors', '--concurrency', 'x'],
      2,
      '--concurrency is not valid: Invalid input: expected number, received NaN',
    ],
    [[], 2, 'models add needs MODEL: see souk-node models add --help'],
  ])('refuses to add %j, and changes nothing', async (args, code, sentence) => {
    const before = await readFile(join(home, 'config.json'), 'utf8')
    expect(await run('models', 'add', ...args)).toMatchObject({ code, err: `souk-node: ${sentence}\n` })
    expect([await readFile(join(home, 'config.json'), 'utf8'), gateway.put]).toEqual([before, []])
  })

  it('removes a model: the gateway first, then the file, and never the last one', async () => {
    const { code, out } = await run('models', 'remove', 'souk/language-id')
    expect([code, out]).toEqual([
      0,
      'souk/language-id is out of config.json, and the gateway sends no more calls for it.\n',
    ])
    expect(gateway.put.map((offers) => offers.map(({ model }) => model))).toEqual([['souk/tiny-chat']])
    expect((await storedConfig(home)).models.map(({ folder: named }) => named)).toEqual(['tiny-chat'])
    expect(await run('models', 'remove', 'tiny-chat')).toMatchObject({
      code: 1,
      err: 'souk-node: a node serves at least one model: add another first, or stop it with souk-node drain\n',
    })
  })

  it('keeps the file as it was when the gateway refuses the removal', async () => {
    gateway.refusal = { status: 429, body: { error: refusal('rate_limited', 'Too many requests.') } }
    expect((await run('models', 'remove', 'language-id')).code).toBe(1)
    expect((await storedConfig(home)).models).toHaveLength(2)
  })
})

describe('souk-node drain', () => {
  it('takes no new calls, and takes them again', async () => {
    expect(await run('drain')).toEqual({
      code: 0,
      err: '',
      out: 'state  draining\nNew calls go elsewhere. souk-node drain --undo takes calls again.\n',
    })
    expect((await run('drain', '--undo')).out).toBe('state  active\n')
    expect(await json('drain')).toMatchObject({ id: NODE_ID, state: 'draining', inFlight: null })
  })

  it('waits until no call is under way, says how many are, and gives up after 15 minutes', async () => {
    const health = (inFlight: number) => [
      { model: 'a/b', breaker: 'closed' as const, success: null, firstTokenMs: null, unitsPerSecond: null, inFlight },
    ]
    gateway.status = { ...gateway.status, health: health(2) }
    let now = 0
    const said: string[] = []
    const terminal = {
      print: (line: string) => void said.push(line),
      tell: (line: string) => void said.push(line),
      env: { SOUK_NODE_GATEWAY: gateway.url },
    }
    const options = { flag: (name: string) => name === 'wait', text: () => home, all: () => [], positionals: [] }
    const needs = {
      now: () => now,
      pause: (ms: number) => {
        now += ms
        if (now === 4_000) gateway.status = { ...gateway.status, health: health(0) }
        return Promise.resolve()
      },
    }
    await runDrain(options, terminal, needs)
    expect(said).toEqual(['2 calls are under way', 'state  draining', 'No call is under way: the node can be stopped.'])
    gateway.status = { ...gateway.status, health: health(1) }
    const late = { now: () => now, pause: () => Promise.resolve(void (now += 16 * 60_000)) }
    await expect(runDrain(options, terminal, late)).rejects.toThrow(/^calls are still under way after 15 minutes/)
  })

  it('says that there is nothing to drain before the node is registered, and what does not go together', async () => {
    expect(await souk(['drain', '--home', home], { SOUK_NODE_ID: 'none' })).toMatchObject({
      code: 1,
      err: 'souk-node: this node is not registered yet: run souk-node register\n',
    })
    expect(await run('drain', '--undo', '--wait')).toMatchObject({ code: 2 })
    await rm(home, { recursive: true })
    expect((await run('drain')).code).toBe(1)
  })
})

const refusal = (code: string, message: string) => ({ code, message, type: 'x', param: null, requestId: null })
