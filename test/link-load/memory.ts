// What processes have resident, looked at while a load runs, and whether it stays where it was after the first quarter. Linux alone tells it from outside.
import { readFile } from 'node:fs/promises'

export interface MemoryWatch {
  /** MiB, the median of each quarter of the time */
  quarters(): number[]
  stop(): void
}

const LOOK_MS = 250

export function watchMemory(pid: number): MemoryWatch {
  const samples: number[] = []
  const timer = setInterval(() => void residentBytes(pid).then((bytes) => samples.push(bytes)), LOOK_MS)
  return {
    quarters: () => [0, 1, 2, 3].map((index) => Math.round(quarter(samples, index) / 1024 / 1024)),
    stop: () => clearInterval(timer),
  }
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024
}

function quarter(all: readonly number[], index: number): number {
  const size = Math.floor(all.length / 4)
  return all.slice(index * size, (index + 1) * size).sort((a, b) => a - b)[Math.floor(size / 2)] ?? 0
}
