// The pages of `playground` and their addresses; each is fetched when it is first opened.
import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { root } from '../root-route.tsx'

const getParentRoute = () => root

export const playgroundRoutes = [
  createRoute({
    getParentRoute,
    path: '/playground',
    component: lazyRouteComponent(() => import('./playground.tsx'), 'PlaygroundPage'),
  }),
] as const
