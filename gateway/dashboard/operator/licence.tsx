// A licence as its author named it (SPDX), with where its text can be read. Nothing is fetched from there: the link is only followed by hand.
import { Anchor, Text } from '@mantine/core'
import { licencesOf } from '../../../protocol/spdx.ts'

export function Licence({ expression }: { expression: string }) {
  const known = (licencesOf(expression) ?? []).filter((id) => !id.startsWith('LicenseRef-'))
  return (
    <Text span inherit>
      {expression}
      {known.map((id) => (
        <span key={id}>
          {' '}
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
    </Text>
  )
}
