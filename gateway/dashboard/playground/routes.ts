// The pages of `playground` and their addresses; each is fetched when it is first opened.
import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { root } from '../root-route.tsx'
import { readSearch } from './search.ts'

const getParentRoute = () => root

export const playgroundRoutes = [
  createRoute({
    getParentRoute,
    path: '/playground',
    validateSearch: readSearch,
    component: lazyRouteComponent(() => import('./playground.tsx'), 'PlaygroundPage'),
  }),
] as const
