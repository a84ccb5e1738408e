// A state as a word in a coloured frame: the colour repeats the word and never stands for it, and the word is never cut.
import { Badge } from '@mantine/core'

export function Mark({ words, color }: { words: string; color: string }) {
  return (
    <Badge
      variant="outline"
      color={color}
      c="var(--mantine-color-text)"
      tt="none"
      fw={500}
      miw="max-content"
      styles={{ label: { overflow: 'visible' } }}
    >
      {words}
    </Badge>
  )
}
