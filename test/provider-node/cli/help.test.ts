// The help of every command, as it stands on a terminal.
import { describe, expect, it } from 'vitest'
import { COMMANDS } from '../../../provider-node/cli/commands.ts'
import { souk } from './souk-node.ts'

describe('every command', () => {
  it.each(Object.keys(COMMANDS))('souk-node %s --help fits 80 columns and names its options', async (name) => {
    const { code, out } = await souk([...name.split(' '), '--help'])
    const line = COMMANDS[name]
    expect([code, out.replaceAll('\n', ' ').startsWith(`souk-node ${name}: ${line?.summary} `)]).toEqual([0, true])
    expect(out.split('\n').filter((text) => text.length > 80)).toEqual([])
    const { spec } = (await line?.load()) ?? {}
    expect(spec?.name).toBe(name)
    for (const option of Object.keys(spec?.options ?? {})) expect(out).toContain(`--${option}`)
  })
})
