// One request of the playground under way: what it has said so far, what it cost, how it ended. Leaving the page stops it, as the button does.
import { useCallback, useEffect, useRef, useState } from 'react'
import { SoukError } from '../../../protocol/souk-error.ts'
import type { Asked } from './asked.ts'
import type { Charge, Head, Told } from './send.ts'

export interface Run {
  readonly asked: Asked
  readonly phase: 'waiting' | 'answering' | 'done' | 'stopped' | 'failed'
  readonly text: string
  readonly head: Head
  /** null: not known (yet) */
  readonly charge: Charge | null
  /** still being asked for, after an early end */
  readonly isSettling: boolean
  readonly failure: Failure | null
}

export interface Failure {
  readonly message: string
  readonly code: string
  readonly requestId: string | null
  /** it came instead of an answer */
  readonly isRefusal: boolean
}

/** What reads answers is large, and fetched with the first request. */
const sending = () => import('./send.ts')

const NO_HEAD: Head = { callId: null, node: null, hold: null }

/** @param onDone hears a whole answer once */
export function useRun(onDone: (run: Run) => void) {
  const [run, setRun] = useState<Run | null>(null)
  const current = useRef<{ run: Run; stop: AbortController; leave: AbortController } | null>(null)

  const start = useCallback(
    async (asked: Asked, key: string) => {
      current.current?.stop.abort()
      current.current?.leave.abort()
      const mine = {
        run: {
          asked,
          phase: 'waiting',
          text: '',
          head: NO_HEAD,
          charge: null,
          isSettling: false,
          failure: null,
        } as Run,
        stop: new AbortController(),
        leave: new AbortController(),
      }
      current.current = mine
      const change = (part: Partial<Run>) => {
        mine.run = { ...mine.run, ...part }
        if (current.current === mine && !mine.leave.signal.aborted) setRun(mine.run)
      }
      change({})
      try {
        const { send } = await sending()
        await send(asked, key, mine.stop.signal, (told) => change(after(mine.run, told)))
        change({ phase: 'done' })
        onDone(mine.run)
      } catch (error) {
        const { callId } = mine.run.head
        // A refusal with a status came instead of an answer, and charges nothing.
        const isRefused = error instanceof SoukError && error.status !== 0
        const isEarly = callId !== null && mine.run.charge === null && !isRefused
        change({ ...endOf(error, mine.stop.signal), isSettling: isEarly })
        if (isEarly && callId !== null)
          change({ charge: await (await sending()).chargeAfter(callId, key, mine.leave.signal), isSettling: false })
      }
    },
    [onDone],
  )
  const stop = useCallback(() => current.current?.stop.abort(), [])
  const forget = useCallback(() => {
    current.current?.stop.abort()
    current.current = null
    setRun(null)
  }, [])
  useEffect(
    () => () => {
      current.current?.stop.abort()
      current.current?.leave.abort()
    },
    [],
  )
  return { run, start, stop, forget }
}

/** What the run is once these were heard. */
export function after(run: Run, told: readonly Told[]): Partial<Run> {
  return told.reduce<Partial<Run>>((part, each) => {
    const { text = run.text, head = run.head } = part
    switch (each.kind) {
      case 'head':
        return { ...part, head: each.head }
      case 'text':
        return { ...part, phase: 'answering', text: text + each.text }
      case 'charge':
        return {
          ...part,
          charge: each.charge,
          head: { ...head, callId: each.callId ?? head.callId, node: each.node ?? head.node },
        }
      default:
        return each satisfies never
    }
  }, {})
}

function endOf(error: unknown, stopped: AbortSignal): Pick<Run, 'phase' | 'failure'> {
  if (stopped.aborted) return { phase: 'stopped', failure: null }
  if (error instanceof SoukError) {
    const { message, code, requestId, status } = error
    return { phase: 'failed', failure: { message, code, requestId, isRefusal: status !== 0 } }
  }
  const message = 'The gateway cannot be reached, or its answer is not of the form that was agreed.'
  return { phase: 'failed', failure: { message, code: 'unreachable', requestId: null, isRefusal: false } }
}
