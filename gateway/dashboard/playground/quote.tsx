// What the request would cost at most, asked of the gateway before it is sent (POST /v1/quote). It is asked once the typing rests.
import { Text } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { SoukError } from '../../../protocol/souk-error.ts'
import { usd } from '../ui/money.tsx'
import type { Asked } from './asked.ts'

/** ms of rest */
const REST_MS = 600

export function Quote({ asked, apiKey }: { asked: Asked | null; apiKey: string | null }) {
  const [rested] = useDebouncedValue(asked, REST_MS)
  const isAsked = rested !== null && apiKey !== null
  const quote = useQuery({
    queryKey: ['quote', apiKey, rested?.path, rested?.body, rested?.headers],
    queryFn: async () => {
      if (!isAsked) throw new Error('nothing to ask')
      // The client brings a schema for every answer of the gateway's.
      const { createClient } = await import('../../../protocol/client.ts')
      return createClient({ url: window.location.origin, token: apiKey }).quote(rested.quote)
    },
    enabled: isAsked,
    placeholderData: keepPreviousData,
    retry: false,
  })
  return (
    <Text size="sm" aria-live="polite" mih="1.6em">
      {textOf()}
    </Text>
  )

  function textOf(): string {
    if (asked === null || apiKey === null) return ''
    if (quote.error) return refusedText(quote.error)
    if (!quote.data) return 'Asking what it costs at most …'
    const { highest, units, candidates } = quote.data
    const of =
      units.tensorBytes === undefined
        ? `${units.inputTokens} tokens in, up to ${units.outputTokens} out`
        : `up to ${units.tensorBytes.toLocaleString('en')} bytes in and out`
    const nodes = `${candidates.length} ${candidates.length === 1 ? 'node' : 'nodes'}`
    return `Costs at most ${usd(highest)} (${of}; ${nodes} could serve it).`
  }
}

const refusedText = (error: unknown): string =>
  error instanceof SoukError
    ? `No quote: ${error.message}`
    : 'No quote: the gateway cannot be reached. Your connection may be down.'
