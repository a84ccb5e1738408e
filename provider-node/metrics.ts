// Counters, gauges and one histogram in Prometheus' text format 0.0.4. Labels come from fixed sets and from the configuration, never from a
// request, so the number of series is bounded and no prompt can appear.

type Labels = Readonly<Record<string, string>>

export interface Counter {
  add(labels?: Labels, by?: number): void
}

export interface Histogram {
  observe(value: number): void
}

export interface Metrics {
  counter(name: string, help: string): Counter
  histogram(name: string, help: string, bounds: readonly number[]): Histogram
  /** read when somebody looks */
  gauge(name: string, help: string, read: () => readonly { labels?: Labels; value: number }[]): void
  /** the whole page */
  text(): string
}

export function createMetrics(): Metrics {
  const families: (() => string[])[] = []
  const head = (name: string, help: string, type: string) => [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`]
  return {
    counter(name, help) {
      const values = new Map<string, number>()
      families.push(() => {
        // A counter that never moved still shows itself, so that an alert on it works from the start.
        const lines = [...values].map(([labels, value]) => `${name}${labels} ${value}`)
        return [...head(name, help, 'counter'), ...(lines.length > 0 ? lines : [`${name} 0`])]
      })
      return {
        add(labels = {}, by = 1) {
          const key = labelText(labels)
          values.set(key, (values.get(key) ?? 0) + by)
        },
      }
    },
    histogram(name, help, bounds) {
      const counts = bounds.map(() => 0)
      let count = 0
      let sum = 0
      families.push(() => [
        ...head(name, help, 'histogram'),
        ...bounds.map((bound, index) => `${name}_bucket{le="${bound}"} ${counts[index] ?? 0}`),
        `${name}_bucket{le="+Inf"} ${count}`,
        `${name}_sum ${sum}`,
        `${name}_count ${count}`,
      ])
      return {
        observe(value) {
          bounds.forEach((bound, index) => {
            if (value <= bound) counts[index] = (counts[index] ?? 0) + 1
          })
          count += 1
          sum += value
        },
      }
    },
    gauge(name, help, read) {
      families.push(() => [
        ...head(name, help, 'gauge'),
        ...read().map(({ labels, value }) => `${name}${labelText(labels ?? {})} ${value}`),
      ])
    },
    text: () => `${families.flatMap((family) => family()).join('\n')}\n`,
  }
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/[\\"\n]/g, '\\$&')}"`)
  return pairs.length > 0 ? `{${pairs.join(',')}}` : ''
}
