// A model's name, which leads to its public page.
import { TextLink } from '../ui/links.tsx'
import { modelParts } from './node-queries.ts'

export function ModelLink({ id }: { id: string }) {
  const { author, name } = modelParts(id)
  return (
    <TextLink to="/models/$author/$name" params={{ author, name }} inherit>
      {id}
    </TextLink>
  )
}
