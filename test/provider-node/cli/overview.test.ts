import { describe, expect, it } from 'vitest'
import { overview, readCommand, type Commands } from '../../../provider-node/cli/overview.ts'

const load = () => Promise.reject(new Error('not asked for'))
const COMMANDS: Commands = {
  start: { summary: 'serves', load },
  status: { summary: 'tells', load },
  'models add': { summary: 'adds', load },
  'models list': { summary: 'lists', load },
}
const read = (...args: string[]) => {
  const asked = readCommand(args, COMMANDS)
  return asked.kind === 'command' ? [asked.name, ...asked.args] : asked
}

describe('readCommand', () => {
  it.each([
    [
      ['start', '--json'],
      ['start', '--json'],
    ],
    [
      ['models', 'add', 'x'],
      ['models add', 'x'],
    ],
    [
      ['help', 'start'],
      ['start', '--help'],
    ],
    [
      ['help', 'models', 'add'],
      ['models add', '--help'],
    ],
    [[], { kind: 'overview', group: null }],
    [['--help'], { kind: 'overview', group: null }],
    [['help'], { kind: 'overview', group: null }],
    [['models'], { kind: 'overview', group: 'models' }],
    [['help', 'models'], { kind: 'overview', group: 'models' }],
    [['--version'], { kind: 'version' }],
  ])('%j', (args, asked) => {
    expect(read(...args)).toEqual(asked)
  })

  it.each([
    [['stauts'], 'unknown command "stauts": did you mean "status"?'],
    [['model'], 'unknown command "model": did you mean "models"?'],
    [['models', 'ad'], 'unknown command "models ad": did you mean "models add"?'],
    [['models', 'frob'], 'unknown command "models frob": there are "models add", "models list"'],
    [['frobnicate'], 'unknown command "frobnicate": the commands are start, status, models'],
  ])('refuses %j with exit code 2', (args, message) => {
    expect(() => read(...args)).toThrow(expect.objectContaining({ message, exitCode: 2 }))
  })
})

describe('overview', () => {
  it('has one line per command, and of a group only its own', () => {
    expect(overview(COMMANDS, 'models').split('\n').slice(0, 3)).toEqual([
      'Commands:',
      '  models add   adds',
      '  models list  lists',
    ])
  })
})
