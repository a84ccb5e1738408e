// A licence as its author named it (SPDX), with where its text can be read. Nothing is fetched from there: the link is only followed by hand.
import { Anchor, Text } from '@mantine/core'
import { licencesOf } from '../../../protocol/spdx.ts'

export function Licence({ expression }: { expression: string }) {
  const known = (licencesOf(expression) ?? []).filter((id) => !id.startsWith('LicenseRef-'))
  return (
    <Text span inherit>
      {expression}
      {known.length > 0 && ' ('}
      {known.map((id, at) => (
        <span key={id}>
          {at > 0 && ', '}
          <Anchor
            inherit
            href={`https://spdx.org/licenses/${encodeURIComponent(id)}.html`}
            target="_blank"
            rel="noreferrer"
          >
            text of {id}
          </Anchor>
        </span>
      ))}
      {known.length > 0 && ')'}
    </Text>
  )
}
