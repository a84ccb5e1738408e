import { describe, expect, it } from 'vitest'
import { createMetrics } from '../../provider-node/metrics.ts'

describe('metrics', () => {
  it('are written in the text format of Prometheus', () => {
    const metrics = createMetrics()
    const calls = metrics.counter('calls_total', 'calls')
    const seconds = metrics.histogram('seconds', 'time', [0.1, 1])
    metrics.gauge('depth', 'queue', () => [{ labels: { model: 'a"b\\c' }, value: 3 }])
    metrics.counter('nothing_total', 'never moved')
    calls.add({ outcome: 'complete' })
    calls.add({ outcome: 'complete' }, 2)
    for (const value of [0.05, 0.1, 0.5, 2]) seconds.observe(value)
    expect(metrics.text().split('\n')).toEqual([
      '# HELP calls_total calls',
      '# TYPE calls_total counter',
      'calls_total{outcome="complete"} 3',
      '# HELP seconds time',
      '# TYPE seconds histogram',
      'seconds_bucket{le="0.1"} 2',
      'seconds_bucket{le="1"} 3',
      'seconds_bucket{le="+Inf"} 4',
      'seconds_sum 2.65',
      'seconds_count 4',
      '# HELP depth queue',
      '# TYPE depth gauge',
      'depth{model="a\\"b\\\\c"} 3',
      '# HELP nothing_total never moved',
      '# TYPE nothing_total counter',
      'nothing_total 0',
      '',
    ])
  })
})
