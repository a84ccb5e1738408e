// Links and buttons that lead to another page of the app, with the addresses checked by the router's types.
import { Anchor, Button } from '@mantine/core'
import { createLink } from '@tanstack/react-router'

export const TextLink = createLink(Anchor<'a'>)
export const LinkButton = createLink(Button<'a'>)
