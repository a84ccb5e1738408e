// Counters, gauges and histograms in Prometheus' text format 0.0.4. Labels come from fixed sets and from the configuration, never from a
// request, so the number of series is bounded and no prompt can appear.

export type Labels = Readonly<Record<string, string>>

export interface Counter {
  add(labels?: Labels, by?: number): void
}

export interface Histogram {
  observe(value: number, labels?: Labels): void
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
  const head = (name: string, help: string, type: string) => [
    `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`,
    `# TYPE ${name} ${type}`,
  ]
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
      const series = new Map<string, { labels: Labels; counts: number[]; count: number; sum: number }>()
      families.push(() => [...head(name, help, 'histogram'), ...[...series.values()].flatMap(seriesText)])
      const seriesText = ({
        labels,
        counts,
        count,
        sum,
      }: {
        labels: Labels
        counts: number[]
        count: number
        sum: number
      }) => [
        ...bounds.map(
          (bound, index) => `${name}_bucket${labelText({ ...labels, le: String(bound) })} ${counts[index] ?? 0}`,
        ),
        `${name}_bucket${labelText({ ...labels, le: '+Inf' })} ${count}`,
        `${name}_sum${labelText(labels)} ${sum}`,
        `${name}_count${labelText(labels)} ${count}`,
      ]
      return {
        observe(value, labels = {}) {
          const key = labelText(labels)
          const seen = series.get(key) ?? { labels, counts: bounds.map(() => 0), count: 0, sum: 0 }
          series.set(key, seen)
          bounds.forEach((bound, index) => {
            if (value <= bound) seen.counts[index] = (seen.counts[index] ?? 0) + 1
          })
          seen.count += 1
          seen.sum += value
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

const ESCAPED: Readonly<Record<string, string>> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' }

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${value.replace(/[\\"\n]/g, (character) => ESCAPED[character] ?? '')}"`,
  )
  return pairs.length > 0 ? `{${pairs.join(',')}}` : ''
}
