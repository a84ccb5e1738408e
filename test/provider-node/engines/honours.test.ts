import { describe, expect, it } from 'vitest'
import { PARAMETERS } from '../../../protocol/routing.ts'
import { honoursOfTask, honoursOfText } from '../../../provider-node/engines/honours.ts'
import { EngineRefusal, type TextJob } from '../../../provider-node/engines/engine.ts'
import { textRequest } from '../../../provider-node/engines/openai/request.ts'
import { ABILITIES, honoursOfServer, type ServerKind } from '../../../provider-node/engines/openai/server-kind.ts'

describe('what an engine in this program honours', () => {
  it('is every field of a text where the model can say any byte, and no JSON where it cannot', () => {
    const fields = PARAMETERS.filter((name) => name !== 'dimensions')
    expect(honoursOfText(true)).toEqual({ parameters: fields, continues: true })
    expect(honoursOfText(false).parameters).toEqual(fields.filter((name) => name !== 'response_format'))
  })

  it.each([
    ['embeddings', ['dimensions']],
    ['classification', []],
    ['ocr', []],
    ['tensors', []],
  ] as const)('of %s', (task, parameters) => {
    expect(honoursOfTask(task)).toEqual({ parameters, continues: false })
  })

  it('of a chat depends on what computes it', () => expect(honoursOfTask('chat')).toBeNull())
})

const KINDS = Object.keys(ABILITIES) as ServerKind[] // its own keys
const aJob = (over: Partial<TextJob>): TextJob => ({
  account: 'a',
  startBy: 0,
  prompt: { kind: 'chat', messages: [{ role: 'user', content: 'hi' }] },
  prefix: '',
  outputTokensMax: 1,
  temperature: 0,
  topP: 1,
  topK: 0,
  seed: 1,
  stop: [],
  choices: 1,
  logprobs: null,
  isJson: false,
  ...over,
})
const ASKING: readonly (readonly [string, Partial<TextJob>])[] = [
  ['top_k', { topK: 5 }],
  ['n', { choices: 2 }],
  ['response_format', { isJson: true }],
]

describe.each(KINDS)('what a server %s is said to honour', (kind) => {
  const { parameters, continues } = honoursOfServer(kind)
  const isSent = (over: Partial<TextJob>): boolean => {
    try {
      textRequest(aJob(over), kind, 'm')
      return true
    } catch (cause) {
      if (cause instanceof EngineRefusal) return false
      throw cause
    }
  }

  it('is nothing that would be refused in its name', () => {
    for (const [name, over] of ASKING)
      if ((parameters as readonly string[]).includes(name)) expect([name, isSent(over)]).toEqual([name, true])
    expect(isSent({ prefix: 'x' })).toBe(continues)
  })

  it('is what every server was written for, and no shortened vectors', () => {
    expect(parameters).toEqual(expect.arrayContaining(['temperature', 'top_p', 'stop']))
    expect(parameters).not.toContain('dimensions')
  })
})

it('a server that nobody knows is believed the least', () => {
  expect(honoursOfServer('other')).toEqual({ parameters: ['temperature', 'top_p', 'stop'], continues: false })
})
