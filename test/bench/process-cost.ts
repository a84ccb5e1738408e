// What processes cost, as the kernel counts it (/proc, Linux): the most memory they had resident, and processor time, which says more than the
// clock on a machine that others use too.
import { readFileSync } from 'node:fs'

/** ms between two looks; the kernel counts, so nothing between them is missed but the last moment before an end */
const LOOK_MS = 50
/** processor ticks a second, as the kernel tells them to programs: 100 on every Linux of today */
const TICKS = 100

export interface ProcessCost {
  readonly peakMegabytes: number
  readonly cpuSeconds: number
}

/** @returns stop: what these processes took together since now; peaks are those of their whole lives */
export function watchCost(pids: readonly number[]): { stop(): ProcessCost } {
  const before = new Map(pids.map((pid) => [pid, look(pid)]))
  const latest = new Map(before)
  const lookAgain = () => {
    for (const pid of pids) {
      const seen = look(pid)
      if (seen) latest.set(pid, seen)
    }
  }
  const timer = setInterval(lookAgain, LOOK_MS)
  return {
    stop() {
      clearInterval(timer)
      lookAgain()
      const sum = (of: (cost: ProcessCost) => number, from: Map<number, ProcessCost | null>) =>
        [...from.values()].reduce((total, cost) => total + (cost ? of(cost) : 0), 0)
      return {
        peakMegabytes: sum(({ peakMegabytes }) => peakMegabytes, latest),
        cpuSeconds: sum(({ cpuSeconds }) => cpuSeconds, latest) - sum(({ cpuSeconds }) => cpuSeconds, before),
      }
    },
  }
}

/** Null: it ended. */
function look(pid: number): ProcessCost | null {
  try {
    const kilobytes = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    if (kilobytes === undefined) return null
    // After the name in brackets: fields 14 and 15 are its time in programs and in the kernel.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
    return {
      peakMegabytes: Number(kilobytes) / 1000,
      cpuSeconds: (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS,
    }
  } catch {
    return null
  }
}
