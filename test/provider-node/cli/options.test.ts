import { describe, expect, it } from 'vitest'
import { nearest } from '../../../provider-node/nearest.ts'
import { COLUMNS, helpText, parseOptions, wrap, type CommandSpec } from '../../../provider-node/cli/options.ts'

const SPEC: CommandSpec = {
  name: 'models add',
  details: ['Adds a model.'],
  arguments: [
    { name: 'FOLDER', help: 'its folder' },
    { name: 'MORE', help: 'and more', isMany: true, isOptional: true },
  ],
  options: {
    name: { type: 'string', value: 'TEXT', help: 'a name' },
    model: { type: 'string', multiple: true, help: 'models' },
    help: { type: 'boolean', help: 'this text' },
  },
}
const ONE: CommandSpec = { ...SPEC, arguments: [{ name: 'MODEL', help: 'a model', isOptional: true }] }

describe('parseOptions', () => {
  it('gives options and arguments in whatever order they stand', () => {
    const parsed = parseOptions(SPEC, ['a', '--name', 'x', 'b', '--model=1', '--model', '2', '--', '--c'])
    expect([parsed.positionals, parsed.text('name'), parsed.all('model'), parsed.flag('help')]).toEqual([
      ['a', 'b', '--c'],
      'x',
      ['1', '2'],
      false,
    ])
  })

  it.each([
    [SPEC, [], 'models add needs FOLDER: see souk-node models add --help'],
    [ONE, ['a', 'b'], 'models add takes no argument "b": see souk-node models add --help'],
    [SPEC, ['a', '--naem', 'x'], 'unknown option --naem, did you mean --name: see souk-node models add --help'],
    [SPEC, ['a', '--other'], 'unknown option --other: see souk-node models add --help'],
    [SPEC, ['a', '--name', 'x', '--name', 'y'], 'option --name is given twice: see souk-node models add --help'],
  ])('refuses with exit code 2: %#', (spec, args, message) => {
    expect(() => parseOptions(spec, args)).toThrow(expect.objectContaining({ message, exitCode: 2 }))
  })

  it.each([
    [SPEC, ['a']],
    [ONE, []],
    [ONE, ['a']],
    [SPEC, ['--help']],
  ])('takes what the spec wants, and help without the rest: %#', (spec, args) => {
    expect(() => parseOptions(spec, args)).not.toThrow()
  })
})

describe('helpText', () => {
  it('shows usage, arguments and options within 80 columns', () => {
    const long = { ...SPEC.options, long: { type: 'string', value: 'VALUE', help: 'word '.repeat(30).trim() } as const }
    const text = helpText({ ...SPEC, details: ['word '.repeat(40).trim()], options: long }, 'adds')
    expect(text).toContain('Usage: souk-node models add FOLDER [MORE …] [options]')
    expect(text).toContain('  FOLDER        its folder')
    expect(text.split('\n').every((line) => line.length <= COLUMNS)).toBe(true)
  })
})

describe('wrap', () => {
  it.each([
    ['ab cd', 5, ['ab cd']],
    ['ab cd', 4, ['ab', 'cd']],
    ['abcdef g', 3, ['abcdef', 'g']],
  ])('%j at %i columns', (text, width, lines) => {
    expect(wrap(text, width)).toEqual(lines)
  })
})

describe('nearest', () => {
  it.each([
    ['stauts', 'status'],
    ['strat', 'start'],
    ['pric', 'price'],
    ['regster', 'register'],
    ['frobnicate', null],
    ['xx', null],
  ])('%s is meant as %s', (typed, word) => {
    expect(nearest(typed, ['start', 'status', 'price', 'register'])).toBe(word)
  })
})
