// Ctrl-C as a terminal and npm deliver it: several signals for one key.
import { EventEmitter } from 'node:events'
import { expect, it } from 'vitest'
import { stopSignal } from '../../../provider-node/cli/stop-signal.ts'

const PRESSED_AT = 5_000

function aProgram() {
  const signals = new EventEmitter()
  const clock = { now: PRESSED_AT }
  const program = { isStopping: false, isEnded: false }
  const needs = { signals, now: () => clock.now, atOnce: () => void (program.isEnded = true) }
  const stopping = stopSignal(needs).then(() => void (program.isStopping = true))
  const hear = (signal: 'SIGINT' | 'SIGTERM', afterMs: number) => {
    clock.now = PRESSED_AT + afterMs
    signals.emit(signal)
  }
  return { program, stopping, hear }
}

it('stops when it is told to, and waits for its calls', async () => {
  const { program, stopping, hear } = aProgram()
  hear('SIGTERM', 0)
  await stopping
  expect(program).toEqual({ isStopping: true, isEnded: false })
})

it.each(['SIGINT', 'SIGTERM'] as const)('takes a %s that follows at once for the same Ctrl-C', async (echo) => {
  const { program, stopping, hear } = aProgram()
  hear('SIGINT', 0)
  hear(echo, 1)
  hear(echo, 700)
  await stopping
  expect(program.isEnded).toBe(false)
})

it('ends at once when it is told again', () => {
  const { program, hear } = aProgram()
  hear('SIGINT', 0)
  hear('SIGINT', 701)
  expect(program.isEnded).toBe(true)
})
