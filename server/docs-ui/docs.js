// SPDX-License-Identifier: Apache-2.0
"use strict";

// validatorUrl: without it the renderer would send the description to a service elsewhere.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
